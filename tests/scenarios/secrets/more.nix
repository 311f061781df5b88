# A second secret of the same file, for another place.
{
  environment.etc.more.text = "more\n";
  sops.secrets.more = {
    sopsFile = "/etc/slipway-test/secrets.yaml";
    key = "nested/more";
    path = "/run/more";
  };
}
