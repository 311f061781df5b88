# One clock for all: signatures, certificates and leases are judged by it.
{ config, lib, ... }:
{
  config = lib.mkIf config.homelab.common.enable {
    # Journals of several hosts are read side by side; a fleet in one place may say where it is.
    time.timeZone = lib.mkDefault "Etc/UTC";
    services.timesyncd.enable = lib.mkDefault true;
  };
}
