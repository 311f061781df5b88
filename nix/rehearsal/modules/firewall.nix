# networking.firewall as an nftables table, whichever backend a host asks for: the guest has nft and no iptables.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt;
  cfg = config.networking.firewall;
  ports = opt (types.listOf types.port) [ ];
  ranges = opt (types.listOf (types.attrsOf types.port)) [ ];
  accept =
    protocol: list: rangeList:
    let
      all = map toString list ++ map (r: "${toString r.from}-${toString r.to}") rangeList;
    in
    lib.optionalString (all != [ ]) "${protocol} dport { ${lib.concatStringsSep ", " all} } accept";
  # Declared before it is deleted: deleting what is not there is an error.
  rules = ''
    table inet nixos-fw { }
    delete table inet nixos-fw
    table inet nixos-fw {
      chain rpfilter {
        type filter hook prerouting priority mangle + 10; policy drop;
        meta nfproto ipv4 udp sport . udp dport { 67 . 68, 68 . 67 } accept
        ${
          if cfg.checkReversePath == false then
            "accept"
          else
            "fib saddr . mark ${lib.optionalString (cfg.checkReversePath != "loose") ". iif "}oif exists accept"
        }
      }
      chain input {
        type filter hook input priority filter; policy drop;
        iifname { ${
          lib.concatMapStringsSep ", " (i: ''"${i}"'') ([ "lo" ] ++ cfg.trustedInterfaces)
        } } accept
        ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }
        ${lib.optionalString cfg.logRefusedConnections ''tcp flags syn / fin,syn,rst,ack log level info prefix "refused connection: "''}
        ${lib.optionalString cfg.rejectPackets "meta l4proto tcp reject with tcp reset\n    reject"}
      }
      chain input-allow {
        ${accept "tcp" cfg.allowedTCPPorts cfg.allowedTCPPortRanges}
        ${accept "udp" cfg.allowedUDPPorts cfg.allowedUDPPortRanges}
        ${lib.optionalString cfg.allowPing "icmp type echo-request accept"}
        icmpv6 type != { nd-redirect, 139 } accept
        ip6 daddr fe80::/64 udp dport 546 accept
        ${cfg.extraInputRules}
      }
    }
  '';
  unit = if config.networking.nftables.enable then "nftables" else "firewall";
in
{
  options.networking = {
    nftables.enable = opt types.bool false;
    firewall = {
      enable = opt types.bool true;
      allowPing = opt types.bool true;
      allowedTCPPorts = ports // {
        apply = ps: lib.unique (builtins.sort builtins.lessThan ps);
      };
      allowedTCPPortRanges = ranges;
      allowedUDPPorts = ports // {
        apply = ps: lib.unique (builtins.sort builtins.lessThan ps);
      };
      allowedUDPPortRanges = ranges;
      checkReversePath = mkOption {
        type = types.either types.bool (
          types.enum [
            "strict"
            "loose"
          ]
        );
        default = true;
        defaultText = "where the kernel can";
      };
      extraInputRules = opt types.lines "";
      logRefusedConnections = opt types.bool false;
      rejectPackets = opt types.bool false;
      trustedInterfaces = opt (types.listOf types.str) [ ];
    };
  };

  config = lib.mkIf cfg.enable {
    system.preSwitchChecks.firewall = "nft -c -f ${pkgs.writeText "firewall.nft" rules}";
    systemd.services.${unit} = {
      description = "Firewall";
      before = [ "network-pre.target" ];
      wants = [ "network-pre.target" ];
      wantedBy = [ "sysinit.target" ];
      conflicts = [ "shutdown.target" ];
      unitConfig.DefaultDependencies = false;
      reloadIfChanged = true;
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "/usr/sbin/nft -f ${pkgs.writeText "firewall.nft" rules}";
        ExecReload = "/usr/sbin/nft -f ${pkgs.writeText "firewall.nft" rules}";
        ExecStop = "/usr/sbin/nft destroy table inet nixos-fw";
      };
    };
  };
}
