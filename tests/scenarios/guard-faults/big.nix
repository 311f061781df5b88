# Waits for faults while it is copied and activated, in a health check, in the logins after that, and in the checks before
# what boots is written.
{ slowLogin, waitDuring, ... }:
{
  imports = [ ../../machine/waits-for-faults.nix ];

  homelab.deploy.healthChecks.slow = {
    command = ''
      touch /run/health-begins
      ${waitDuring "health"}
      touch /run/health-ends
    '';
    timeout = 60;
    retries = 0;
  };

  # The generation `guard` runs it before it lets anybody in.
  environment.etc.slipway-test-login = slowLogin;

  system.preSwitchChecks.slow = ''
    if [ "$2" = boot ]; then
      touch /run/boot-begins
      ${waitDuring "boot"}
    fi
  '';
}
