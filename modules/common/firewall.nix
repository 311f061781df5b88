# Closed but for what a service opens; and ports that only the homelab's own networks reach.
{ config, lib, ... }:
let
  cfg = config.homelab.firewall;
  ports = lib.concatMapStringsSep ", " toString (lib.unique cfg.internalTCPPorts);
  networks = lib.concatStringsSep ", " config.homelab.site.networks;
in
{
  options.homelab.firewall.internalTCPPorts = lib.mkOption {
    type = lib.types.listOf lib.types.port;
    default = [ ];
    example = [ 9100 ];
    description = "TCP ports that are open to {option}`homelab.site.networks` and to nobody else.";
  };

  config = lib.mkIf config.homelab.common.enable {
    networking = {
      nftables.enable = true;
      firewall = {
        enable = true;
        # Its default becomes "loose" after 26.05; for a host with one uplink strict is right.
        checkReversePath = lib.mkDefault "strict";
        # A journal full of port scans hides the line that matters.
        logRefusedConnections = lib.mkDefault false;
        extraInputRules = lib.mkIf (cfg.internalTCPPorts != [ ]) ''
          ip saddr { ${networks} } tcp dport { ${ports} } accept
        '';
      };
    };

    assertions = [
      {
        assertion = cfg.internalTCPPorts == [ ] || config.homelab.site.networks != [ ];
        message = ''
          homelab.firewall.internalTCPPorts (${ports}) are open to the homelab's networks, and none is named:
          set homelab.site.networks, for instance [ "192.168.0.0/24" ].
        '';
      }
    ];
  };
}
