# Pull mode, for hosts that are not always reachable: a timer has the host look for its newest release, and the guard
# activates it with the same checks, health gate and way back as if somebody had pushed it. docs/pull.md says the rest.
{
  config,
  fleet,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.upgrade;
  inherit (config.homelab) deploy nixCache reboot;
  inherit (config.homelab.host) name;
  user = "upgrade";
  unit = "slipway-upgrade";
  state = "/var/lib/${unit}";
  fromHydra = cfg.source == "hydra";
  canary = host: fleet.hosts.${host} or { };
  tells =
    host: (canary host).exporterPort or null != null && (canary host).targetHost or null != null;
  settings = {
    host = name;
    source = {
      is = cfg.source;
      url = if fromHydra then "${toString cfg.hydraJob}/latest-finished" else cfg.url;
    };
    canaries = lib.genAttrs (lib.filter tells cfg.canaries) (
      host: "http://${(canary host).targetHost}:${toString (canary host).exporterPort}/metrics"
    );
    soakSeconds = cfg.soak;
    inherit (cfg) reboot;
    inherit (config.homelab.inventory.reboot) window;
    confirmTimeoutSeconds = deploy.confirmTimeout;
    root = "${state}/next";
    programs = {
      curl = "${pkgs.curl}/bin/curl";
      nixStore = "${config.nix.package}/bin/nix-store";
    };
  };
in
{
  options.homelab.upgrade = {
    enable = lib.mkEnableOption "upgrading this host from itself to its newest release, besides what others deploy on it";
    source = mkOption {
      type = types.enum [
        "release"
        "hydra"
      ];
      default = "release";
      example = "hydra";
      description = ''
        Who says what the host is to have: the signer, by a release, or a Hydra, by the latest finished build of a job. With
        `hydra` nobody signs that this is the host's newest configuration, only that it was built for it: see
        docs/threat-model.md.
      '';
    };
    url = mkOption {
      type = types.str;
      default = "${nixCache.url}/releases/${name}.json";
      defaultText = lib.literalMD "below `homelab.nixCache.url`, where `homelab.builder.releases.publish` puts it";
      example = "https://releases.example.org/Niko.json";
      description = "Where the host's newest release lies, as `cargo xtask release --publish` writes it.";
    };
    hydraJob = mkOption {
      type = types.nullOr types.str;
      default = null;
      example = "https://hydra.example.org/job/fleet/main/hosts.Niko";
      description = "The Hydra job whose builds the host takes, with `source = \"hydra\"`.";
    };
    interval = mkOption {
      type = types.ints.positive;
      default = 1800;
      example = 86400;
      description = "Seconds between two looks. The first is two minutes after the host booted.";
    };
    canaries = mkOption {
      type = types.listOf types.str;
      default = [ ];
      example = [ "Testing" ];
      description = ''
        Hosts of the fleet that have to run and boot what the same release names for them, healthy, before this one takes it.
        Their exporters say so.
      '';
    };
    soak = mkOption {
      type = types.ints.unsigned;
      default = 600;
      example = 86400;
      description = "Seconds for which the canaries have to have had it.";
    };
    reboot = mkOption {
      type = types.bool;
      default = false;
      example = true;
      description = ''
        Whether the host reboots by itself where that is due, in `homelab.reboot.window` (at any time without one), and only
        if `homelab.reboot.unattended` allows it.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    environment.etc."slipway-guard/upgrade.json".text = builtins.toJSON settings;

    # Neither root nor the deploy user: it reads what comes from elsewhere, and the guard gives it less than CI.
    users.users.${user} = {
      isSystemUser = true;
      group = user;
      description = "Upgrades";
    };
    users.groups.${user} = { };

    systemd.services.${unit} = {
      description = "Upgrade of this host to its newest release";
      after = [ "slipway-guard.service" ];
      # It is what activates a newer one of itself.
      restartIfChanged = false;
      serviceConfig = {
        Type = "oneshot";
        User = user;
        # The guard's socket.
        SupplementaryGroups = config.users.users.deploy.group;
        ExecStart = "${deploy.guard.package}/bin/slipway-guard upgrade";
        # Not now: no cache within reach, canaries that have not got it yet, somebody who holds the host.
        SuccessExitStatus = 75;
        StateDirectory = unit;
        # A closure over a slow line, and an activation.
        TimeoutStartSec = "4h";
        UMask = "0077";
        CapabilityBoundingSet = "";
        LockPersonality = true;
        NoNewPrivileges = true;
        PrivateDevices = true;
        PrivateTmp = true;
        ProtectControlGroups = true;
        ProtectHome = true;
        ProtectKernelModules = true;
        ProtectKernelTunables = true;
        ProtectSystem = "strict";
        RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6";
        RestrictRealtime = true;
      };
    };
    systemd.timers.${unit} = {
      description = "Upgrade of this host to its newest release";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = 120;
        OnUnitInactiveSec = cfg.interval;
        # The fleet does not ask all at once.
        RandomizedDelaySec = cfg.interval / 10;
      };
    };

    assertions = [
      {
        assertion = !(config.system.autoUpgrade.enable or false);
        message = ''
          ${name} would be upgraded by homelab.upgrade and by system.autoUpgrade, which knows neither releases nor the guard:
          set system.autoUpgrade.enable = false.
        '';
      }
      {
        assertion = deploy.guard.enable;
        message = ''
          homelab.upgrade is enabled on a host without a guard, which is what checks a release and goes back from it: set
          homelab.deploy.guard.enable = true.
        '';
      }
      {
        assertion = !(config.homelab.users.deploy.keys ? ${user});
        message = ''
          homelab.users.deploy.keys has a key called ${user}, which is how the guard's history calls the host itself: give the
          key another name.
        '';
      }
      {
        assertion = fromHydra -> (cfg.hydraJob != null && lib.hasPrefix "https://" cfg.hydraJob);
        message = ''
          homelab.upgrade takes what a Hydra says, which nothing but TLS proves to be Hydra's: set homelab.upgrade.hydraJob to
          the https:// address of a job.
        '';
      }
      {
        assertion =
          fromHydra
          || lib.hasPrefix "https://" cfg.url
          || (nixCache.enable && lib.hasPrefix "${nixCache.url}/" cfg.url);
        message = ''
          homelab.upgrade.url is neither an https:// address nor below homelab.nixCache.url: whoever is on the way could keep
          newer releases from ${name}. Set it to one of the two.
        '';
      }
      {
        assertion = !(lib.elem name cfg.canaries) && lib.all tells cfg.canaries;
        message = ''
          homelab.upgrade.canaries of ${name} names ${
            lib.concatStringsSep ", " (lib.filter (host: host == name || !tells host) cfg.canaries)
          }: name other hosts of the fleet that have a targetHost and
          homelab.services.monitoring.exporter.enable = true.
        '';
      }
    ];
  };
}
