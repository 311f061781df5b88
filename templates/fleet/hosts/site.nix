# What holds for every host of this fleet. Its three empty lists of keys have to be filled in: until they are, no host
# evaluates, and the error says what is missing. A host that differs says so in its own folder.
{ lib, ... }:
let
  # Public keys with which closures are signed, each as `name:key`. The account that deploys is not trusted by Nix, so that
  # a host takes from it what one of these has signed and nothing else.
  signers = [ ];
in
{
  homelab = {
    common.enable = lib.mkDefault true;

    site = {
      timeZone = "Etc/UTC";
      # Reach what is not meant for the world, such as the figures of each host.
      networks = [ "192.168.0.0/24" ];
    };

    users = {
      # Who may deploy, by the name of whoever holds the key: each can then be taken back alone.
      deploy = {
        enable = lib.mkDefault true;
        keys = {
          # workstation = "ssh-ed25519 AAAA… you@workstation";
        };
      };
      # Who is called at night and may become root, by the device that holds the key.
      operator = {
        enable = lib.mkDefault true;
        keys = {
          # laptop = "ssh-ed25519 AAAA… you@laptop";
        };
      };
    };
  };

  nix.settings.trusted-public-keys = signers;

  assertions = [
    {
      assertion = signers != [ ];
      message = ''
        no host would take what is deployed, since nobody's signature is trusted: make a key,
          nix key generate-secret --key-name fleet-1 > ~/.config/slipway/nix.sec
        and put its public half into `signers` in hosts/site.nix:
          nix key convert-secret-to-public < ~/.config/slipway/nix.sec
      '';
    }
  ];
}
