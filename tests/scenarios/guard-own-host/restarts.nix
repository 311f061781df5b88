# What the fleet says otherwise is taken back.
{ lib, ... }:
{
  environment.etc.slipway-generation.text = "restarts\n";
  systemd.services.gitea-runner-fleet.restartIfChanged = lib.mkForce true;
}
