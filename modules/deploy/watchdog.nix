# A kernel that panics, or a systemd that no longer runs, costs a guarded host one power cycle, and nobody has to be there
# for it: it reboots by itself, into what was confirmed.
{
  config,
  lib,
  options,
  ...
}:
let
  # NixOS before 25.11 has the other name only; gone once no release of those is deployed.
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
