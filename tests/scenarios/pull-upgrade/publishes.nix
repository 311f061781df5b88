# The cache serves releases, and static files in place of Harmonia, for which the rehearsal stage has no program.
{ lib, ... }:
let
  exported = {
    root = "/srv/cache";
    proxyPass = lib.mkForce null;
    extraConfig = lib.mkForce "";
  };
in
{
  homelab.builder.releases = {
    enable = true;
    # Nobody has the other half; the play puts the releases there itself.
    keys.ci = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aNaGGC/q7qUw9Jv5RGneqK1PkvLyi7LRTWSo7QDN8 replace-me@ci.example";
    publish = "/var/lib/slipway-published";
  };
  services.nginx.virtualHosts.cache.locations = {
    "= /nix-cache-info" = exported;
    "^~ /nar/" = exported;
    "~ ^/[0-9a-z]+\\.narinfo$" = exported;
  };
}
