# Something of the runner's unit is another: a switch would restart it, if the fleet did not say otherwise.
{
  environment.etc.slipway-generation.text = "changed-runner\n";
  systemd.services.gitea-runner-fleet.environment.GENERATION = "changed-runner";
}
