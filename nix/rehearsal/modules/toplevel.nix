# system.build.toplevel: the tree that NixOS promises, and what stops it from being made.
{
  lib,
  config,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.system;
  failed = map (a: a.message) (builtins.filter (a: !a.assertion) config.assertions);
  checked =
    value:
    if failed != [ ] then
      throw "\nFailed assertions:\n${lib.concatMapStringsSep "\n" (m: "- ${m}") failed}"
    else
      lib.foldr lib.warn value config.warnings;

  kernel = config.boot.kernelPackages.kernel;
  program = name: builtins.readFile (../activation + "/${name}");
  # Copied into each toplevel, since they find their toplevel by where they lie.
  programs = pkgs.linkFarm "activation-programs" {
    switch-to-configuration = pkgs.writeScript "switch-to-configuration" (
      program "switch-to-configuration.pl"
    );
    init = pkgs.writeScript "init" (program "init.sh");
  };
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
      internal = true;
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
      internal = true;
    };
    system.build = mkOption {
      type = types.submoduleWith {
        modules = [
          { freeformType = types.lazyAttrsOf types.unspecified; }
          {
            options.toplevel = mkOption {
              type = types.package;
              readOnly = true;
            };
          }
        ];
      };
      default = { };
    };
    system.preSwitchChecks = mkOption {
      type = types.attrsOf types.str;
      default = { };
    };
    system.stateVersion = mkOption { type = types.str; };
    system.name = mkOption { type = types.str; };
    system.configurationRevision = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    system.nixos.release = mkOption {
      type = types.str;
      readOnly = true;
      default = "26.05";
    };
    system.nixos.label = mkOption { type = types.strMatching "[a-zA-Z0-9:_\\.-]*"; };
  };

  config = {
    system.name = lib.mkDefault (
      if config.networking.hostName == "" then "unnamed" else config.networking.hostName
    );
    system.nixos.label = lib.mkDefault "${cfg.nixos.release}.rehearsal";
    assertions = [
      {
        assertion = builtins.match "[0-9]{2}\\.[0-9]{2}" cfg.stateVersion != null;
        message = "system.stateVersion is `${cfg.stateVersion}`, which does not look like a release such as 26.05";
      }
    ];

    system.build.toplevel = checked (
      pkgs.runCommand "nixos-system-${cfg.name}-${cfg.nixos.label}" { passthru = { inherit config; }; } ''
        mkdir -p $out/bin
        cd $out
        cp ${programs}/switch-to-configuration bin/switch-to-configuration
        cp ${programs}/init init
        cp ${cfg.build.activate} activate
        cp ${cfg.build.dryActivate} dry-activate
        cp ${cfg.build.preSwitchChecks} pre-switch-checks
        cp ${cfg.build.installBootLoader} install-boot-loader
        chmod +x bin/switch-to-configuration init activate dry-activate pre-switch-checks install-boot-loader
        ln -s ${cfg.build.etc}/etc etc
        ln -s ${cfg.path} sw
        ln -s ${kernel}/bzImage kernel
        ln -s ${kernel}/initrd initrd
        ln -s ${kernel} kernel-modules
        ln -s /usr systemd
        printf %s ${lib.escapeShellArg (toString config.boot.kernelParams)} > kernel-params
        printf %s ${pkgs.stdenv.hostPlatform.system} > system
        printf %s ${cfg.nixos.label} > nixos-version
        printf %s rehearsal-1 > init-interface-version
        ${lib.optionalString (
          cfg.configurationRevision != null
        ) "printf %s ${lib.escapeShellArg cfg.configurationRevision} > configuration-revision"}
      ''
    );
  };
}
