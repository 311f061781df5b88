# What stands still under a guard costs one power cycle, and nobody has to be there for it: the host reboots by itself, into
# what was confirmed.
{
  config,
  lib,
  options,
  ...
}:
let
  # Releases before 25.11 have the other name.
  runtime =
    time:
    if options.systemd ? settings then
      { settings.Manager.RuntimeWatchdogSec = time; }
    else
      { watchdog.runtimeTime = time; };
in
{
  # A host that must not reboot alone waits for its operator.
  config = lib.mkIf (config.homelab.deploy.guard.enable && config.homelab.reboot.unattended) {
    boot.kernelParams = [ "panic=30" ];
    # Without a watchdog in the machine systemd goes on without one.
    systemd = runtime (lib.mkDefault "60s");
  };
}
