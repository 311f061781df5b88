# The host's own figures, for the fleet's Prometheus.
{ config, lib, ... }:
let
  cfg = config.homelab.services.monitoring;
in
{
  options.homelab.services.monitoring = {
    exporter.enable = lib.mkEnableOption "the node exporter, open to the homelab's networks";
    exporterPort = lib.mkOption {
      type = lib.types.port;
      default = 9100;
      example = 9199;
      description = "Port of the node exporter, the same on every host of the fleet.";
    };
  };

  config = lib.mkIf cfg.exporter.enable {
    services.prometheus.exporters.node = {
      enable = true;
      port = cfg.exporterPort;
      # A failed unit is what one looks for after a deployment.
      enabledCollectors = [ "systemd" ];
    };
    homelab.firewall.internalTCPPorts = [ cfg.exporterPort ];
  };
}
