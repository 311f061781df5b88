# Where deployments are started. It sees the building machine's store, which has the closures; the player registers them.
{ lib, pkgs, ... }:
{
  imports = [ ./helper.nix ];

  virtualisation.memorySize = 2048;
  nix.settings.flake-registry = "";
  environment.systemPackages = [
    pkgs.git
    pkgs.openssh
    pkgs.sops
  ];
  # Its machines are as old as the play, and their keys too.
  programs.ssh.extraConfig = ''
    Host *
      StrictHostKeyChecking accept-new
      BatchMode yes
  '';
}
