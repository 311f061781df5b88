# Harmless, and to be seen: a file, a unit that starts, a package on the PATH.
{ pkgs, ... }:
{
  environment.etc."slipway-generation".text = "good\n";
  systemd.services.slipway-generation = {
    description = "Says which generation runs";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${pkgs.coreutils}/bin/cat /etc/slipway-generation";
    };
  };
}
