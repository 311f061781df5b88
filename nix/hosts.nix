# nixosConfigurations: every folder below `hosts` is a host, and the folder's name is the host's name.
{
  lib,
  inputs,
  hosts,
  modules,
  specialArgs,
  fleet,
  root,
}:
let
  folders = lib.filterAttrs (_: type: type == "directory") (builtins.readDir hosts);
in
rec {
  # All that a host is made of: `nixosSystem` takes both, and so does a NixOS test's node.
  arguments = specialArgs // {
    inherit inputs;
    # The inventory of the whole fleet. A host that reads another host's entry evaluates that host too, and fails
    # with it: read what the host's role needs and nothing else.
    inherit fleet;
  };
  modulesOf =
    name:
    modules
    ++ [
      ../modules
      inputs.sops-nix.nixosModules.sops
      (hosts + "/${name}")
      {
        homelab.host.name = name;
        homelab.secrets = { inherit root; };
        networking.hostName = lib.mkDefault name;
        nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux";
      }
    ];
  nixosConfigurations = lib.mapAttrs (
    name: _:
    inputs.nixpkgs.lib.nixosSystem {
      specialArgs = arguments;
      modules = modulesOf name;
    }
  ) folders;
}
