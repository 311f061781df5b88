# Figures of every host, gathered and shown on one.
{
  imports = [
    ./grafana.nix
    ./node-exporter.nix
    ./prometheus.nix
  ];
}
