# What holds for every host of this fleet; whoever takes the fleet over starts here. A host that differs says so in its
# own folder.
{ lib, ... }:
{
  homelab = {
    common.enable = lib.mkDefault true;

    site = {
      domain = "home.example.org";
      timeZone = "Europe/Berlin";
      networks = [ "192.168.0.0/24" ];
    };

    nixCache = {
      enable = lib.mkDefault true;
      url = "http://192.168.0.20";
      # An example: nobody has the secret half. The builder's own public key belongs here.
      publicKeys = [ "replace-me.example-1:H4tQRdBtjGy9X/y5AX3BpeQ88pd6xk23ftmoDJe0cMU=" ];
    };

    services.monitoring.exporter.enable = lib.mkDefault true;

    # Examples, all three: their private halves were thrown away when they were made.
    users = {
      deploy = {
        enable = lib.mkDefault true;
        keys = {
          ci = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aNaGGC/q7qUw9Jv5RGneqK1PkvLyi7LRTWSo7QDN8 replace-me@ci.example";
          workstation = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJl978T7ZDq5gws4o4AVW1qsEbSxf4KODUWCttaqBJWR replace-me@workstation.example";
        };
      };
      operator = {
        enable = lib.mkDefault true;
        keys.laptop = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJR9/ZPYtnlBva8WZluKk2aB+s0FfX5/NQHvcgubUo2S replace-me@operator.example";
      };
    };
  };
}
