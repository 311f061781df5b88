# What a machine is: name, time, network. Addresses come by DHCP, as NixOS' networking.useDHCP does by default.
{
  lib,
  config,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt;
  name = config.networking.hostName;
in
{
  options = {
    networking.hostName = mkOption {
      type = types.strMatching "^$|^[[:alnum:]]([[:alnum:]_-]{0,61}[[:alnum:]])?$";
      default = "nixos";
      defaultText = "system.nixos.distroId";
    };
    networking.hosts = mkOption { type = types.attrsOf (types.listOf types.str); };
    networking.useDHCP = opt types.bool true;
    time.timeZone = mkOption {
      type = types.nullOr (
        types.addCheck types.str (s: !lib.hasInfix " " s) // { description = "string without spaces"; }
      );
      default = null;
    };
    services.timesyncd.enable = mkOption {
      type = types.bool;
      default = true;
      defaultText = "not in a container";
    };
  };

  config = {
    networking.hosts = {
      "127.0.0.1" = [ "localhost" ];
      "::1" = [ "localhost" ];
      "127.0.0.2" = lib.mkIf (name != "") [ name ];
    };
    environment.etc = {
      hostname = lib.mkIf (name != "") { text = "${name}\n"; };
      hosts.text = lib.concatStrings (
        lib.mapAttrsToList (
          address: names: lib.optionalString (names != [ ]) "${address} ${toString names}\n"
        ) config.networking.hosts
      );
      localtime = lib.mkIf (config.time.timeZone != null) {
        source = "/usr/share/zoneinfo/${config.time.timeZone}";
        mode = "direct-symlink";
      };
      "systemd/network/99-ethernet-dhcp.network" = lib.mkIf config.networking.useDHCP {
        text = ''
          [Match]
          Type=ether
          Kind=!*

          [Network]
          DHCP=yes
        '';
      };
    };
    system.activationScripts.hostname = lib.mkIf (name != "") "hostname ${name} || true";
    systemd.services.systemd-networkd = {
      wantedBy = [ "multi-user.target" ];
      # A switch must not take the network from under itself.
      stopIfChanged = false;
    };
    systemd.services.systemd-timesyncd = lib.mkIf config.services.timesyncd.enable {
      wantedBy = [ "sysinit.target" ];
    };
  };
}
