# A check before the switch fails, for whatever is to be done with it: nothing of it runs, and nothing of it will boot.
{
  environment.etc.slipway-generation.text = "fails-its-check\n";
  system.preSwitchChecks.fails-on-purpose = ''
    echo "this generation may not be switched to, on purpose" >&2
    false
  '';
}
