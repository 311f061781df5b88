# What the generations `big` have in common: each phase of their deployment waits for the fault that is to fall into it.
# 100 MB take their time to be copied; the others wait for /run/fault-fell, in the phase that /run/fault-phase names.
# A phase that is to hang or to fail does, once the fault fell. After a boot there is neither file, and nothing waits. The
# client gives up soon after the network did.
{ pkgs, lib, ... }:
let
  incompressible = pkgs.runCommand "incompressible" { nativeBuildInputs = [ pkgs.perl ]; } ''
    perl -e 'srand 1; print pack "L*", map { rand 2**32 } 1 .. 65536 for 1 .. 400' > $out
  '';
  waitDuring = phase: ''
    if [ "$(cat /run/fault-phase 2>/dev/null)" = ${phase} ]; then
      touch /run/${phase}-waits
      n=0
      while [ ! -e /run/fault-fell ] && [ $n -lt 500 ]; do
        sleep 0.2
        n=$((n + 1))
      done
      case "$(cat /run/fault-fell 2>/dev/null)" in
        hangs) sleep infinity ;;
        fails) exit 1 ;;
      esac
    fi
  '';
in
{
  # Shell that waits in this phase, and what is run before anybody gets in.
  _module.args = {
    inherit waitDuring;
    slowLogin = {
      mode = "0755";
      text = ''
        #!/bin/sh
        PATH=/run/current-system/sw/bin:/usr/bin:/bin
        ${waitDuring "confirm"}
      '';
    };
  };

  environment.etc.slipway-generation.text = "big\n";
  environment.etc.slipway-incompressible.source = incompressible;

  systemd.services.slow = {
    description = "Takes as long to start as the test wants";
    wantedBy = [ "multi-user.target" ];
    serviceConfig = {
      Type = "oneshot";
      RemainAfterExit = true;
    };
    script = ''
      touch /run/slow-begins
      ${waitDuring "activate"}
      touch /run/slow-ends
    '';
  };

  homelab.deploy = {
    confirmTimeout = 15;
    sshOpts = lib.mkForce [
      "-oConnectTimeout=5"
      "-oServerAliveInterval=2"
      "-oServerAliveCountMax=3"
    ];
  };
}
