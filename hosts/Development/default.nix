# The forge, and the runner that builds and deploys the fleet from it.
{ config, ... }:
{
  homelab = {
    host.description = "Forge and CI runner";
    deploy = {
      targetHost = "192.168.0.91";
      wave = 2;
    };

    services = {
      forgejo.enable = true;
      forgejoRunner = {
        enable = true;
        # Not by way of the proxy: a runner that cannot reach its forge cannot repair the proxy either.
        url = "http://127.0.0.1:${toString config.homelab.services.forgejo.port}";
      };
    };
  };
}
