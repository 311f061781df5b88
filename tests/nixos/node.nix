# What a host's machine is in a NixOS test: firmware, boot loader and a store of its own, as on the real host.
{ lib, pkgs, ... }:
{
  imports = [
    ./common.nix
    ./offline.nix
  ];

  virtualisation = {
    # Through firmware and loader, so that a switch decides what boots; without them the driver boots what it was built
    # with, whatever was switched to.
    useBootLoader = true;
    useEFIBoot = true;
    useDefaultFilesystems = true;
    # Nothing of the building machine's store: what is not copied is not there.
    mountHostNixStore = false;
    memorySize = 1536;
  };
  # Tests' nodes have no switch-to-configuration unless they ask.
  system.switch.enable = lib.mkForce true;
  boot.loader.timeout = lib.mkForce 0;

  environment.systemPackages = [
    pkgs.curl
    pkgs.jq
    pkgs.nftables
    pkgs.procps
  ];
}
