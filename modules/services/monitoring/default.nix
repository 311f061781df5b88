# Figures: each host tells its own, one host gathers them with Prometheus, shows them with Grafana and sends alerts.
{ lib, ... }:
{
  imports = [
    ./alerts.nix
    ./exporter.nix
    ./grafana.nix
    ./prometheus.nix
  ];

  options.homelab.services.monitoring.enable =
    lib.mkEnableOption "Prometheus and Alertmanager for the whole fleet, and Grafana open to the homelab's networks";
}
