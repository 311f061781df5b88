# lib.nixosSystem: the modules of a host together with the options that this stand-in realises. The options have
# NixOS' names, types and defaults (tests/options/ holds them to it), and NixOS' manual is where they are described.
{
  lib,
  legacyPackages,
  importPkgs,
  machine,
}:
{
  modules,
  specialArgs ? { },
  system ? null,
  # The file that errors name for a module without one of its own.
  modulesLocation ? (builtins.unsafeGetAttrPos "modules" args).file or null,
}@args:
let
  located =
    if modulesLocation == null then
      modules
    else
      map (lib.setDefaultModuleLocation modulesLocation) modules;
  opt = type: default: lib.mkOption { inherit type default; };
  platform = if system == null then { } else { nixpkgs.hostPlatform = lib.mkDefault system; };
  evaluated = lib.evalModules {
    class = "nixos";
    specialArgs = {
      modulesPath = toString ./.;
      standin = {
        inherit legacyPackages importPkgs opt;
        flag = opt lib.types.bool false;
        maybe = type: opt (lib.types.nullOr type);
      };
    }
    // specialArgs;
    modules = [
      ./packages.nix
      ./toplevel.nix
      ./activation.nix
      ./etc.nix
      ./systemd.nix
      ./boot.nix
      ./users.nix
      ./nix.nix
      ./machine.nix
      ./ssh.nix
      ./sshd.nix
      ./sudo.nix
      ./firewall.nix
      ./harmonia.nix
      ./nginx.nix
      ./services.nix
      platform
      machine
    ]
    ++ located;
  };
in
evaluated // { inherit (evaluated._module.args) pkgs; }
