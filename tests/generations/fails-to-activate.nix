# Its activation script fails, after the units to be stopped were stopped and before any is started.
{
  environment.etc.slipway-generation.text = "fails-to-activate\n";
  system.activationScripts.fails-on-purpose = {
    deps = [ "etc" ];
    text = ''
      echo "this generation fails to activate, on purpose" >&2
      false
    '';
  };
}
