# Its activation waits until the test lets it go on, and fails then if the test wants it to. At a boot it waits for a minute.
{
  environment.etc.slipway-generation.text = "slow\n";
  systemd.services.slow = {
    description = "Takes as long to start as the test wants";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = ''
      touch /run/slow-begins
      n=0
      while [ ! -e /run/fault-fell ] && [ $n -lt 300 ]; do
        sleep 0.2
        n=$((n + 1))
      done
      [ ! -e /run/slow-fails ] || exit 1
      touch /run/slow-ends
    '';
  };
}
