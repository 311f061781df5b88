# nixpkgs.*, and the packages that every host has on its PATH.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.nixpkgs;
in
{
  options = {
    nixpkgs.hostPlatform = mkOption {
      type = types.either types.str types.attrs;
      apply = lib.systems.elaborate;
    };
    nixpkgs.config = mkOption {
      type = lib.mkOptionType {
        name = "nixpkgs-config";
        description = "nixpkgs config";
        check = v: builtins.isAttrs v || builtins.isFunction v;
        merge = _: lib.foldl' (all: def: lib.recursiveUpdate all def.value) { };
      };
      default = { };
    };
    nixpkgs.overlays = mkOption {
      type = types.listOf (
        lib.mkOptionType {
          name = "nixpkgs-overlay";
          description = "nixpkgs overlay";
          check = builtins.isFunction;
          merge = lib.mergeOneOption;
        }
      );
      default = [ ];
    };
    environment.systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
    };
    system.path = mkOption { internal = true; };
  };

  config = {
    _module.args.pkgs =
      if cfg.overlays == [ ] && cfg.config == { } then
        # One evaluation of the packages serves all hosts of a platform.
        standin.legacyPackages.${cfg.hostPlatform.system}
      else
        standin.importPkgs {
          inherit (cfg.hostPlatform) system;
          inherit (cfg) config overlays;
        };

    environment.systemPackages = [
      pkgs.bash
      pkgs.coreutils
      pkgs.nix
      pkgs.shadow
    ];
    system.path = pkgs.buildEnv {
      name = "system-path";
      paths = config.environment.systemPackages;
      pathsToLink = [ "/bin" ];
    };
    # Debian's sshd reads the first for every session, its login shells reset PATH and read the second.
    environment.etc."environment".text = ''
      PATH="/run/current-system/sw/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    '';
    environment.etc."profile.d/current-system.sh".text = ''
      PATH="/run/current-system/sw/bin:$PATH:/usr/sbin:/sbin"
    '';
  };
}
