# Each phase of its deployment lasts long enough for a fault to fall into it: 100 MB to copy, a service that takes its
# time to start, and logins that take theirs once it is activated. The client gives up soon after the network did.
{ pkgs, lib, ... }:
let
  # Perl's generator is its own and gives the same numbers everywhere.
  incompressible = pkgs.runCommand "incompressible" { nativeBuildInputs = [ pkgs.perl ]; } ''
    perl -e 'srand 1; print pack "L*", map { rand 2**32 } 1 .. 65536 for 1 .. 400' > $out
  '';
in
{
  environment.etc."slipway-generation".text = "big\n";
  environment.etc."slipway-incompressible".source = incompressible;

  systemd.services.slow = {
    description = "Takes six seconds to start, but not at boot";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = ''
      case $(systemctl is-system-running) in
        initializing | starting) exit 0 ;;
      esac
      touch /run/slow-begins
      sleep 6
      touch /run/slow-ends
    '';
  };

  # Run by sshd before the command of each login.
  environment.etc."ssh/sshrc".text = "sleep 4\n";

  homelab.deploy = {
    confirmTimeout = 8;
    sshOpts = lib.mkForce [
      "-oConnectTimeout=5"
      "-oServerAliveInterval=2"
      "-oServerAliveCountMax=3"
    ];
  };
}
