# A host like the others with nothing to lose: what is tried, is tried here.
{
  homelab = {
    host.description = "Playground";
    deploy = {
      targetHost = "192.168.0.92";
      wave = 0;
    };
  };
}
