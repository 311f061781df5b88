# One clock for all: signatures, certificates and leases are judged by it.
{ config, lib, ... }:
{
  config = lib.mkIf config.homelab.common.enable {
    time.timeZone = lib.mkDefault config.homelab.site.timeZone;
    services.timesyncd.enable = lib.mkDefault true;
  };
}
