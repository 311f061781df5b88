# Prometheus, and what it reads: so far the host that it runs on.
{ config, lib, ... }:
let
  cfg = config.homelab.services.monitoring;
  # Neither asks who is asking, so only what runs beside them may.
  listenAddress = "127.0.0.1";
  at = port: "${listenAddress}:${toString port}";
  inherit (config.services) prometheus;
in
{
  options.homelab.services.monitoring.retention = lib.mkOption {
    type = lib.types.str;
    default = "90d";
    example = "1y";
    description = "How long figures are kept.";
  };

  config = lib.mkIf cfg.enable {
    services.prometheus = {
      enable = true;
      inherit listenAddress;
      retentionTime = cfg.retention;
      globalConfig.scrape_interval = "30s";
      exporters.node = {
        enable = true;
        inherit listenAddress;
        # A failed unit is what one looks for after a deployment.
        enabledCollectors = [ "systemd" ];
      };
      scrapeConfigs = [
        {
          job_name = "node";
          static_configs = [
            {
              targets = [ (at prometheus.exporters.node.port) ];
              labels.host = config.homelab.host.name;
            }
          ];
        }
      ];
    };

    homelab.deploy.healthChecks.prometheus = {
      url = "http://${at prometheus.port}/-/ready";
      # It reads back what it has gathered before it answers.
      settle = 5;
      retries = 10;
    };
  };
}
