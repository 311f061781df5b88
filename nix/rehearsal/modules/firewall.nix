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
  accept =
    protocol: list:
    lib.optionalString (list != [ ])
      "${protocol} dport { ${lib.concatMapStringsSep ", " toString list} } accept";
  # Declared before it is deleted: deleting what is not there is an error.
  rules = pkgs.writeText "firewall.nft" (
    ''
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
          iifname "lo" accept
          ct state vmap { invalid : drop, established : accept, related : accept, new : jump input-allow, untracked : jump input-allow }
          ${lib.optionalString cfg.logRefusedConnections ''tcp flags syn / fin,syn,rst,ack log level info prefix "refused connection: "''}
        }
        chain input-allow {
          ${accept "tcp" cfg.allowedTCPPorts}
          ${accept "udp" cfg.allowedUDPPorts}
          ${lib.optionalString cfg.allowPing "icmp type echo-request accept"}
          icmpv6 type != { nd-redirect, 139 } accept
          ip6 daddr fe80::/64 udp dport 546 accept
          ${cfg.extraInputRules}
        }
      }
    ''
    + lib.concatMapStrings (table: ''
      table ${table.family} ${table.name} { }
      delete table ${table.family} ${table.name}
      table ${table.family} ${table.name} {
        ${table.content}
      }
    '') tables
  );
  tables = builtins.filter (table: table.enable) (lib.attrValues config.networking.nftables.tables);
  # One transaction, as on NixOS, which also removes the tables that were loaded and are no longer configured.
  load = pkgs.writeShellScript "load-firewall" ''
    set -euo pipefail
    loaded=/run/nixos-nftables
    touch $loaded
    { sed 's/^/destroy table /' $loaded; cat ${rules}; } | nft -f -
    printf '%s\n' ${
      lib.escapeShellArgs ([ "inet nixos-fw" ] ++ map (table: "${table.family} ${table.name}") tables)
    } > $loaded
  '';
  unload = pkgs.writeShellScript "unload-firewall" ''
    sed 's/^/destroy table /' /run/nixos-nftables | nft -f -
  '';
  unit = if config.networking.nftables.enable then "nftables" else "firewall";
in
{
  options.networking = {
    nftables.enable = opt types.bool false;
    nftables.tables = opt (types.attrsOf (
      types.submodule (
        { name, ... }:
        {
          options = {
            enable = opt types.bool true;
            name = mkOption { type = types.str; };
            family = mkOption {
              type = types.enum [
                "ip"
                "ip6"
                "inet"
                "arp"
                "bridge"
                "netdev"
              ];
            };
            content = mkOption { type = types.lines; };
          };
          config.name = lib.mkDefault name;
        }
      )
    )) { };
    firewall = {
      enable = opt types.bool true;
      allowPing = opt types.bool true;
      allowedTCPPorts = ports // {
        apply = ps: lib.unique (builtins.sort builtins.lessThan ps);
      };
      allowedUDPPorts = ports // {
        apply = ps: lib.unique (builtins.sort builtins.lessThan ps);
      };
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
    };
  };

  config = lib.mkIf cfg.enable {
    system.preSwitchChecks.firewall = "nft -c -f ${rules}";
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
        ExecStart = "${load}";
        ExecReload = "${load}";
        ExecStop = "${unload}";
      };
    };
  };
}
