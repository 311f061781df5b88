# nix.*: nix.conf, the machines that build, the daemon, garbage collection. Debian's nix-bin brings the program and no daemon unit.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt maybe;
  cfg = config.nix;
  atom =
    types.nullOr (
      types.oneOf [
        types.bool
        types.int
        types.float
        types.str
        types.path
        types.package
      ]
    )
    // {
      description = "Nix config atom (null, bool, int, float, str, path or package)";
    };
  value =
    v:
    if builtins.isList v then
      lib.concatMapStringsSep " " value v
    else if builtins.isBool v then
      lib.boolToString v
    else if v == null then
      ""
    else
      toString v;
  # A line of /etc/nix/machines, as nix.conf(5) and nix3-builders have it.
  machineLine =
    machine:
    let
      list = values: if values == [ ] then "-" else lib.concatStringsSep "," values;
      orNone = v: if v == null then "-" else v;
      prefix = lib.optionalString (machine.protocol != null) "${machine.protocol}://";
      at = lib.optionalString (machine.sshUser != null) "${machine.sshUser}@";
    in
    lib.concatStringsSep " " [
      "${prefix}${at}${machine.hostName}"
      (if machine.system != null then machine.system else list machine.systems)
      (orNone machine.sshKey)
      (toString machine.maxJobs)
      (toString machine.speedFactor)
      (list (machine.supportedFeatures ++ machine.mandatoryFeatures))
      (list machine.mandatoryFeatures)
      (orNone machine.publicHostKey)
    ]
    + "\n";
in
{
  options.nix = {
    enable = opt types.bool true;
    package = mkOption {
      type = types.package;
      default = pkgs.nix;
      defaultText = lib.literalExpression "pkgs.nix";
    };
    settings = opt (types.submodule {
      freeformType = types.attrsOf (types.either atom (types.listOf atom));
      options = {
        max-jobs = opt (types.either types.int (types.enum [ "auto" ])) "auto";
        auto-optimise-store = opt types.bool false;
        cores = opt types.int 0;
        require-sigs = opt types.bool true;
        sandbox = opt (types.either types.bool (types.enum [ "relaxed" ])) true;
        substituters = mkOption { type = types.listOf types.str; };
        trusted-public-keys = mkOption { type = types.listOf types.str; };
        trusted-substituters = opt (types.listOf types.str) [ ];
        trusted-users = mkOption { type = types.listOf types.str; };
        allowed-users = mkOption {
          type = types.listOf types.str;
          default = [ "*" ];
          defaultText = "everybody";
        };
      };
    }) { };
    extraOptions = opt types.lines "";
    channel.enable = opt types.bool true;
    distributedBuilds = opt types.bool false;
    buildMachines = opt (types.listOf (
      types.submodule {
        options = {
          hostName = mkOption { type = types.str; };
          protocol = opt (types.enum [
            null
            "ssh"
            "ssh-ng"
          ]) "ssh";
          system = maybe types.str null;
          systems = opt (types.listOf types.str) [ ];
          sshUser = maybe types.str null;
          sshKey = maybe types.str null;
          maxJobs = opt types.int 1;
          speedFactor = opt types.int 1;
          supportedFeatures = opt (types.listOf types.str) [ ];
          mandatoryFeatures = opt (types.listOf types.str) [ ];
          publicHostKey = maybe types.str null;
        };
      }
    )) [ ];
    gc.automatic = opt types.bool false;
    gc.dates = mkOption {
      type = types.either types.singleLineStr (types.listOf types.singleLineStr);
      default = "03:15";
      apply = lib.toList;
    };
    gc.options = opt types.singleLineStr "";
  };

  config = lib.mkIf cfg.enable {
    # What NixOS adds to what a host says.
    nix.settings = {
      substituters = lib.mkAfter [ "https://cache.nixos.org/" ];
      trusted-public-keys = [ "cache.nixos.org-1:6NCHdD59X431o0gWypbMrAURkbJ16ZPMQFGspcDShjY=" ];
      trusted-users = [ "root" ];
      builders = lib.mkIf (!cfg.distributedBuilds) null;
    };
    assertions = [
      {
        assertion = builtins.all (
          machine: machine.system != null || machine.systems != [ ]
        ) cfg.buildMachines;
        message = "each of nix.buildMachines needs at least one system, in `system` or `systems`";
      }
    ];
    environment.etc."nix/machines" = lib.mkIf (cfg.buildMachines != [ ]) {
      text = lib.concatMapStrings machineLine cfg.buildMachines;
    };
    environment.etc."nix/nix.conf".text =
      "# Written by the rehearsal's nix.settings.\n"
      + lib.concatStrings (
        lib.mapAttrsToList (k: v: "${k} = ${value v}\n") (
          # Debian's nix has no sandbox shell, and root builds there without build users.
          { build-users-group = ""; } // cfg.settings // { sandbox = false; }
        )
      )
      + cfg.extraOptions;
    systemd.services.nix-daemon = {
      description = "Nix daemon";
      requires = [ "nix-daemon.socket" ];
      restartTriggers = [ config.environment.etc."nix/nix.conf".text ];
      stopIfChanged = false;
      serviceConfig = {
        ExecStart = "/usr/bin/nix-daemon --daemon";
        KillMode = "process";
      };
    };
    systemd.sockets.nix-daemon = {
      description = "Nix daemon";
      wantedBy = [ "sockets.target" ];
      unitConfig.ConditionPathIsReadWrite = "/nix/var/nix/daemon-socket";
      listenStreams = [ "/nix/var/nix/daemon-socket/socket" ];
    };
    systemd.tmpfiles.rules = [ "d /nix/var/nix/daemon-socket 0755 root root - -" ];
    systemd.services.nix-gc = lib.mkIf cfg.gc.automatic {
      description = "Collect garbage of the Nix store";
      startAt = cfg.gc.dates;
      serviceConfig.Type = "oneshot";
      script = "exec nix-collect-garbage ${cfg.gc.options}";
    };
  };
}
