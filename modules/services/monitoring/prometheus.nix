# Prometheus, and what it reads: every host of the inventory that tells its figures, and itself.
{
  config,
  fleet,
  lib,
  ...
}:
let
  cfg = config.homelab.services.monitoring;
  # It does not ask who is asking, so only what runs beside it may.
  listenAddress = "127.0.0.1";
  at = port: "${listenAddress}:${toString port}";
  inherit (config.services) prometheus;
  inherit (prometheus) alertmanager;

  told = lib.filterAttrs (_: host: host.exporterPort != null && host.targetHost != null) fleet.hosts;
  # A target of its own for each, since labels belong to a group of them.
  target = name: host: {
    targets = [ "${host.targetHost}:${toString host.exporterPort}" ];
    labels = {
      host = name;
      wave = toString host.wave;
    };
  };
in
{
  options.homelab.services.monitoring.retention = lib.mkOption {
    type = lib.types.str;
    default = "90d";
    example = "1y";
    description = "How long figures are kept.";
  };

  config = lib.mkIf cfg.enable {
    homelab.services.monitoring.exporter.enable = lib.mkDefault true;

    services.prometheus = {
      enable = true;
      inherit listenAddress;
      retentionTime = cfg.retention;
      globalConfig = {
        scrape_interval = "30s";
        evaluation_interval = "30s";
      };
      scrapeConfigs = [
        {
          job_name = "node";
          static_configs = lib.mapAttrsToList target told;
        }
        {
          job_name = "prometheus";
          static_configs = [
            {
              targets = [ (at prometheus.port) ];
              labels.host = config.homelab.host.name;
            }
          ];
        }
      ];
      alertmanagers = [ { static_configs = [ { targets = [ (at alertmanager.port) ]; } ]; } ];
    };

    homelab.deploy.healthChecks.prometheus = {
      url = "http://${at prometheus.port}/-/ready";
      # It reads back what it has gathered before it answers.
      settle = 5;
      retries = 10;
    };
  };
}
