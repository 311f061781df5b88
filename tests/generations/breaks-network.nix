# No packet comes in or goes out any more, on connections that stand as on new ones. No unit fails.
{
  environment.etc.slipway-generation.text = "breaks-network\n";
  networking.nftables.tables.breaks-network = {
    family = "inet";
    content = ''
      chain input {
        type filter hook input priority raw; policy accept;
        iifname != "lo" drop
      }
      chain output {
        type filter hook output priority raw; policy accept;
        oifname != "lo" drop
      }
    '';
  };
}
