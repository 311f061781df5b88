# What `nix run` starts. Each is the stage that it was evaluated in, so that what is rehearsed is never deployed.
{
  lib,
  pkgs,
  stage,
  packages,
}:
let
  program = packages.xtask;
  deployment = pkgs.writeShellApplication {
    name = "slipway-deploy";
    runtimeInputs = [
      program
      pkgs.deploy-rs
    ];
    text = ''
      usage() {
        echo "usage: nix run .#deploy -- HOST [switch|boot|test] [options of \`xtask deploy\`]" >&2
        exit 2
      }
      case ''${1:--} in
        -*) usage ;;
      esac
      host=$1
      shift
      action=switch
      case ''${1:-} in
        switch | boot | test)
          action=$1
          shift
          ;;
        "" | -*) ;;
        *) usage ;;
      esac
      exec xtask --stage ${stage} deploy "$host" --action "$action" "$@"
    '';
  };
  app = package: description: {
    type = "app";
    program = lib.getExe package;
    meta = { inherit description; };
  };
in
rec {
  xtask = app program "Build, check and deploy the fleet";
  default = xtask;
  deploy = app deployment "Deploy one host, now, after its next reboot or as a test";
}
