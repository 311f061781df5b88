# Ordering certificates needs the Internet, and is skipped by a condition, as in the rehearsal stage: a unit that can only
# fail would hide one that should not.
{ config, lib, ... }:
let
  # Renamed in 25.11; a service of the other name would be a new one.
  order =
    certificate:
    if lib.versionAtLeast config.system.nixos.release "25.11" then
      "acme-order-renew-${certificate}"
    else
      "acme-${certificate}";
in
{
  systemd.services = lib.genAttrs (map order (lib.attrNames config.security.acme.certs)) (_: {
    unitConfig.ConditionPathExists = "/run/slipway-test-is-online";
  });
}
