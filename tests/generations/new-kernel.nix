# Another kernel, and a word on its command line that tells in /proc/cmdline which generation was booted. Neither takes
# effect before a reboot.
{ pkgs, ... }:
{
  boot.kernelPackages = pkgs.linuxPackages_latest;
  boot.kernelParams = [ "slipway.generation=new-kernel" ];
}
