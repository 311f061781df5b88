# What is true of the place where the hosts stand, stated once for all of them.
{ lib, ... }:
{
  options.homelab.site = {
    domain = lib.mkOption {
      type = lib.types.str;
      default = "home.arpa";
      example = "home.example.org";
      description = ''
        Domain below which the fleet's services have their names. Certificates for it can only be ordered if it is a
        public one; `home.arpa` is reserved for names that are not.
      '';
    };
    timeZone = lib.mkOption {
      type = lib.types.str;
      default = "Etc/UTC";
      example = "Europe/Berlin";
      description = "Time zone of the hosts.";
    };
    networks = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "192.168.0.0/24" ];
      description = "IPv4 networks of the homelab, which may reach what is not meant for the world.";
    };
  };
}
