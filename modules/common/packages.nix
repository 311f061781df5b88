# What one wants to find on a host at night. git is also what `nixos-rebuild` on a flake needs.
{
  config,
  lib,
  pkgs,
  ...
}:
{
  config = lib.mkIf config.homelab.common.enable {
    environment.systemPackages = [
      pkgs.git
      pkgs.htop
      pkgs.vim
    ];
  };
}
