# Activates without a fault, and is not healthy, as whoever deploys a host without a guard can tell.
{
  environment.etc.slipway-generation.text = "unhealthy\n";
  homelab.deploy.healthChecks.fails-on-purpose = {
    command = "false";
    user = "deploy";
    retries = 0;
  };
}
