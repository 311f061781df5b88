# Its activation waits as long as /run/hold-activation is there, a dry one too, and says with /run/activation-held that it
# does. No boot waits: its /run is empty.
{
  environment.etc.slipway-generation.text = "waits\n";
  system.activationScripts.waits = {
    supportsDryActivation = true;
    text = ''
      if [ -e /run/hold-activation ]; then
        touch /run/activation-held
        n=0
        while [ -e /run/hold-activation ] && [ $n -lt 500 ]; do
          sleep 0.2
          n=$((n + 1))
        done
      fi
    '';
  };
}
