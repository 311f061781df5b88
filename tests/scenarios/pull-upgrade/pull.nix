# The host looks for its newest release itself, when it is rung: by its timer only long after the play.
{ lib, ... }:
{
  homelab.upgrade.enable = true;
  # A guest without KVM is slow, and this is real time.
  homelab.deploy.confirmTimeout = 180;
  systemd.timers.slipway-upgrade.timerConfig.OnActiveSec = lib.mkForce "1h";
}
