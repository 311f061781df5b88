# The Nix daemon: flakes, a store that cleans up after itself, and nobody trusted who is not root anyway.
{ config, lib, ... }:
{
  config = lib.mkIf config.homelab.common.enable {
    nix = {
      # Hosts are built from the fleet's flake; a channel would be a second, silent source of packages.
      channel.enable = false;
      settings = {
        experimental-features = [
          "nix-command"
          "flakes"
        ];
        # Trusted means root: such a user may add any path to the store without a signature. Wheel becomes root by sudo
        # anyway. Root is named since only newer NixOS keeps it beside what is set here.
        trusted-users = [
          "root"
          "@wheel"
        ];
        auto-optimise-store = true;
        # A full disk stops a deployment halfway: below 1 GiB free, building collects garbage until 5 GiB are.
        min-free = 1024 * 1024 * 1024;
        max-free = 5 * 1024 * 1024 * 1024;
      };
      gc = {
        automatic = true;
        dates = lib.mkDefault "weekly";
        # Nix keeps the generation that was current 30 days ago, so that a rarely deployed host can still go back.
        options = lib.mkDefault "--delete-older-than 30d";
      };
    };
  };
}
