# What every host of a fleet should have, behind one switch. The cache has its own, so that a personal machine can use
# it without the rest.
{ lib, ... }:
{
  imports = [
    ./boot.nix
    ./disk.nix
    ./firewall.nix
    ./nix-cache.nix
    ./nix.nix
    ./packages.nix
    ./secrets.nix
    ./site.nix
    ./ssh.nix
    ./state-version.nix
    ./time.nix
  ];

  options.homelab.common.enable = lib.mkEnableOption "the settings that all hosts of the fleet share";
}
