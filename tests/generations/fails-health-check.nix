# Activates without a fault, and is not healthy: only whoever runs the host's health checks can tell.
{
  environment.etc.slipway-generation.text = "fails-health-check\n";
  homelab.deploy.healthChecks.fails-on-purpose = {
    command = "false";
    retries = 0;
  };
}
