# The upgrade of `good`: the same file and service, both changed.
{
  environment.etc.slipway-generation.text = "next\n";
  systemd.services.good = {
    description = "What the good generation brings";
    wantedBy = [ "multi-user.target" ];
    environment.GENERATION = "next";
    script = "exec sleep infinity";
  };
}
