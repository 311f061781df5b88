# What the household uses, and the figures of the fleet. Reached through Ingress.
{ config, ... }:
let
  inherit (config.homelab.site) domain;
in
{
  homelab = {
    host.description = "Services and monitoring";
    deploy = {
      targetHost = "192.168.0.31";
      wave = 1;
    };

    services = {
      startPage = {
        enable = true;
        links = {
          Git = "https://git.${domain}/";
          Grafana = "https://grafana.${domain}/";
        };
      };
      monitoring.enable = true;
    };
  };
}
