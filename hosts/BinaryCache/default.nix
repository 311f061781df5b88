# Builds for all hosts and serves what it built.
{
  homelab = {
    host.description = "Binary cache and builder";
    deploy = {
      targetHost = "192.168.0.20";
      wave = 2;
    };

    builder.enable = true;
    services.harmonia.enable = true;
    # Its own cache serves what is in its store already.
    nixCache.enable = false;
  };
}
