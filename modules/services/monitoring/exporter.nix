# What each host tells: node exporter's figures, and those of its configuration, which `slipway-guard metrics` writes. It is
# the guard's program also on hosts without a guard: it knows what is a reboot due and what a test, and nobody has to know
# that a second time. There it only reads links.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.services.monitoring.exporter;
  inherit (config.homelab) deploy nixCache;
  onSystemdBoot = config.boot.loader.systemd-boot.enable;
  # Below /run, so that no figure outlives the boot that it tells of.
  folder = "slipway-metrics";
  settings = (pkgs.formats.json { }).generate "slipway-metrics.json" {
    loader = if onSystemdBoot then "systemd-boot" else "other";
    bootctl = "${pkgs.systemd}/bin/bootctl";
    esp = if onSystemdBoot then config.boot.loader.efi.efiSysMountPoint else null;
    testLeaseSeconds = deploy.testLease;
    cache =
      if nixCache.enable then
        {
          inherit (nixCache) url;
          curl = "${pkgs.curl}/bin/curl";
          timeout = nixCache.connectTimeout;
        }
      else
        null;
  };
in
{
  options.homelab.services.monitoring.exporter = {
    enable = lib.mkEnableOption "telling the host's figures to the homelab's networks";
    port = mkOption {
      type = types.port;
      default = 9100;
      example = 9101;
      description = "Port on which node exporter listens.";
    };
    interval = mkOption {
      type = types.ints.positive;
      default = 60;
      example = 300;
      description = "Seconds between two looks at the host's configuration.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.prometheus.exporters.node = {
      enable = true;
      inherit (cfg) port;
      # A failed unit is what one looks for after a deployment.
      enabledCollectors = [ "systemd" ];
      extraFlags = [ "--collector.textfile.directory=/run/${folder}" ];
    };

    systemd.services.slipway-metrics = {
      description = "Figures of the host's configuration, for node exporter";
      serviceConfig = {
        Type = "oneshot";
        ExecStart = "${deploy.guard.package}/bin/slipway-guard --config ${settings} metrics --to /run/${folder}/nixos.prom";
        RuntimeDirectory = folder;
        RuntimeDirectoryMode = "0755";
        RuntimeDirectoryPreserve = true;
        NoNewPrivileges = true;
        PrivateTmp = true;
        ProtectHome = true;
        ProtectSystem = "strict";
      };
    };
    systemd.timers.slipway-metrics = {
      description = "Figures of the host's configuration";
      wantedBy = [ "timers.target" ];
      timerConfig = {
        OnActiveSec = 5;
        OnUnitActiveSec = cfg.interval;
        AccuracySec = 1;
      };
    };

    # It asks nobody for a password: whoever is in the homelab may read it.
    homelab.firewall.internalTCPPorts = [ cfg.port ];
  };
}
