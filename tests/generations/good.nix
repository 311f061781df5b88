# A change that does no harm: a file and a service more.
{
  environment.etc.slipway-generation.text = "good\n";
  systemd.services.good = {
    description = "What the good generation brings";
    wantedBy = [ "multi-user.target" ];
    script = "exec sleep infinity";
  };
}
