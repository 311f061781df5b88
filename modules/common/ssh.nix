# Keys only, and never as root: whoever comes in has a name in the journal.
{ config, lib, ... }:
{
  config = lib.mkIf config.homelab.common.enable {
    services.openssh = {
      enable = true;
      settings = {
        PasswordAuthentication = false;
        KbdInteractiveAuthentication = false;
        PermitRootLogin = "no";
        X11Forwarding = false;
      };
    };
  };
}
