# Its activation says for three seconds what it does, and ends where it cannot: a shell that was not told to ignore SIGPIPE
# would die there by itself.
{
  environment.etc.slipway-generation.text = "prints\n";
  system.activationScripts.prints = ''
    for step in 1 2 3 4 5 6 7 8 9 10; do
      echo "step $step of this activation" || exit 1
      sleep 0.3
    done
  '';
}
