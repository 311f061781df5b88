# Figures, gathered by Prometheus and shown by Grafana, on one host.
{ lib, ... }:
{
  imports = [
    ./grafana.nix
    ./prometheus.nix
  ];

  options.homelab.services.monitoring.enable =
    lib.mkEnableOption "Prometheus, and Grafana open to the homelab's networks";
}
