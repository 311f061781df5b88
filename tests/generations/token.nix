# A secret that a service reads when it starts. Its file is made in the play, to keys that are made there.
{
  environment.etc.slipway-generation.text = "token\n";
  sops.validateSopsFiles = false;
  sops.secrets.token = {
    sopsFile = "/etc/slipway-test/secrets.yaml";
    owner = "operator";
    mode = "0440";
    restartUnits = [ "reader.service" ];
  };
  systemd.services.reader = {
    description = "Reads the token";
    wantedBy = [ "multi-user.target" ];
    script = ''
      sha256sum </run/secrets/token >/run/token-read
      exec sleep infinity
    '';
  };
}
