# The screen in the hall. If a deployment breaks it nobody is hurt, so it goes first.
{
  homelab = {
    host.description = "Kiosk";
    deploy = {
      targetHost = "192.168.0.11";
      wave = 0;
    };

    services.kiosk.enable = true;
  };
}
