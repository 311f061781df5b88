# What a host has besides its configuration while it is a machine of `cargo xtask ci-local --deploy rehearsal`: what a
# machine of a scenario has, and the guard. The run's keys lie in files; no closure knows them.
{ config, lib, ... }:
let
  inherit (config.homelab) services;
  # Debian has no such program, so that the unit is skipped by its condition and nothing answers: what remains to be looked
  # at is that the unit is there.
  unit = name: lib.mkForce { command = "systemctl cat ${name}.service"; };
in
{
  imports = [
    ./.
    ../generations/guard.nix
  ];

  homelab.deploy.healthChecks = lib.mkMerge [
    (lib.mkIf services.forgejo.enable { forgejo = unit "forgejo"; })
    (lib.mkIf services.monitoring.enable {
      prometheus = unit "prometheus";
      grafana = unit "grafana";
    })
    (lib.mkIf services.harmonia.enable { cache = unit "harmonia"; })
    (lib.mkIf services.kiosk.enable { kiosk = unit "cage-tty1"; })
  ];
}
