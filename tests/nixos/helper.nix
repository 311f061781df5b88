# A plain machine: builder, attacker, client. It has what the rehearsal stage's guest has, and nothing of the fleet.
{ lib, pkgs, ... }:
{
  imports = [ ./common.nix ];

  virtualisation.writableStore = true;
  nix.settings = {
    experimental-features = [
      "nix-command"
      "flakes"
    ];
    # There is no network to ask.
    substituters = lib.mkForce [ ];
  };
  networking.firewall.enable = false;
  environment.systemPackages = [
    pkgs.busybox
    pkgs.curl
    pkgs.jq
    pkgs.openssh
  ];
}
