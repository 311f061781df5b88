# What may reboot a host.
{ lib, ... }:
{
  options.homelab.reboot.unattended = lib.mkOption {
    type = lib.types.bool;
    default = true;
    example = false;
    description = ''
      Whether the host may reboot with nobody there. A host that asks for a passphrase when it boots may not: with
      `false` only an operator reboots it, and a boot on trial that came up unhealthy stays up until then.
    '';
  };
}
