# A runner that has no forge: its job is a file of the operator's. It is the fleet's own unit in all else, and so is what
# becomes of it when its host is deployed.
{ lib, pkgs, ... }:
let
  runsJobs = pkgs.writeScript "runs-jobs" ''
    #!/bin/sh
    cd /home/operator
    until [ -x job ]; do sleep 0.2; done
    ./job
    echo $? >job-ended
    exec sleep infinity
  '';
in
{
  environment.etc.slipway-generation.text = "runs-jobs\n";
  systemd.services.gitea-runner-fleet = {
    unitConfig = {
      ConditionPathExists = lib.mkForce [ ];
      ConditionFileIsExecutable = lib.mkForce [ ];
    };
    serviceConfig = {
      DynamicUser = lib.mkForce false;
      User = lib.mkForce "operator";
      EnvironmentFile = lib.mkForce [ ];
      ExecStartPre = lib.mkForce [ ];
      ExecStart = lib.mkForce "${runsJobs}";
    };
  };
}
