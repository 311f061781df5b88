# What every host machine of a scenario has besides its configuration, in both stages and in every generation: it takes
# the play's keys, which are made at run time, and it knows the other machines by name.
{ lib, ... }:
{
  imports = [
    ./as-configured.nix
    ./network.nix
  ];

  # Written by the player, below a folder that no closure has anything in.
  services.openssh.authorizedKeysFiles = [ "/etc/slipway-test/authorized_keys/%u" ];
  nix.extraOptions = ''
    !include /etc/slipway-test/nix.conf
  '';

  # Nobody is there to choose.
  boot.loader.timeout = lib.mkForce 0;
}
