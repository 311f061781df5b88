# Alerts: the rules are a file of their own (alerts.yml, docs/monitoring.md), and Alertmanager posts what they find.
{ config, lib, ... }:
let
  inherit (lib) mkOption types;
  cfg = config.homelab.services.monitoring;
in
{
  options.homelab.services.monitoring.alertWebhooks = mkOption {
    type = types.listOf types.str;
    default = [ ];
    example = [ "https://ntfy.example.org/fleet?template=alertmanager" ];
    description = ''
      Where Alertmanager posts alerts, as its own JSON. Without any they are seen in Prometheus and Grafana only. The URL
      is no place for a secret.
    '';
  };

  config = lib.mkIf cfg.enable {
    services.prometheus = {
      ruleFiles = [ ./alerts.yml ];
      alertmanager = {
        enable = true;
        listenAddress = "127.0.0.1";
        # Alone, it has no need of a port for others of its kind.
        extraFlags = [ "--cluster.listen-address=" ];
        configuration = {
          route = {
            receiver = "fleet";
            group_by = [ "alertname" ];
            group_wait = "30s";
            repeat_interval = "1d";
          };
          receivers = [
            {
              name = "fleet";
              webhook_configs = map (url: { inherit url; }) cfg.alertWebhooks;
            }
          ];
        };
      };
    };
  };
}
