# A service that is never done starting: the activation waits for it for ever.
{
  environment.etc.slipway-generation.text = "hangs\n";
  systemd.services.hangs = {
    description = "Never done starting";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      TimeoutStartSec = "infinity";
    };
    script = "sleep infinity";
  };
}
