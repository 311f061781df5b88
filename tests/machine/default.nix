# What every host machine of a scenario has besides its configuration, in both stages and in every generation: it takes
# the play's keys, which are made at run time, and it knows the other machines by name.
{
  config,
  lib,
  fleet,
  ...
}:
let
  # An address that is a name is one that only the homelab's own DNS knows.
  isAddress = address: address != null && builtins.match "[0-9]+([.][0-9]+){3}" address != null;
  addresses = {
    controller = "192.168.0.240";
    builder = "192.168.0.241";
    attacker = "192.168.0.242";
    client = "192.168.0.243";
  }
  // lib.mapAttrs (
    _: host: if isAddress host.targetHost then host.targetHost else "192.168.0.99"
  ) fleet.hosts;
in
{
  imports = [ ./as-configured.nix ];

  networking.hosts = lib.foldAttrs (name: names: [ name ] ++ names) [ ] (
    lib.mapAttrsToList (name: address: { ${address} = name; }) addresses
  );

  # Written by the player, below a folder that no closure has anything in.
  services.openssh.authorizedKeysFiles = [ "/etc/slipway-test/authorized_keys/%u" ];
  nix.extraOptions = ''
    !include /etc/slipway-test/nix.conf
  '';

  # Nobody is there to choose.
  boot.loader.timeout = lib.mkForce 0;
}
