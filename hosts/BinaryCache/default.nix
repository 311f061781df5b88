# Builds for all hosts and serves what it built.
{
  homelab = {
    host.description = "Binary cache and builder";
    deploy = {
      targetHost = "192.168.0.20";
      wave = 2;
    };

    builder = {
      enable = true;
      # An example: its private half was thrown away when it was made.
      keys.runner = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAsecKDTrymp7Ob9rMF6Ts1q6rbYp0N6/CVrOnraK/PM replace-me@runner.example";
    };
    services.harmonia.enable = true;
    # Its own cache serves what is in its store already.
    nixCache.enable = false;
  };
}
