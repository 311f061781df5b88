# Services whose programs Debian does not package: the options, the accounts and the units are there, and a condition
# on the program keeps the units from running.
{
  lib,
  config,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  opt = type: default: mkOption { inherit type default; };
  flag = opt types.bool false;
  formats = import ../pkgs/formats.nix {
    inherit lib;
    final = pkgs;
  };
  harmonia = config.services.harmonia.cache;
  inherit (config.services) forgejo cage;
  runner = config.services.gitea-actions-runner;
  instances = lib.filterAttrs (_: i: i.enable) runner.instances;
  systemUser = name: {
    users.users.${name} = {
      group = name;
      isSystemUser = true;
    };
    users.groups.${name} = { };
  };
in
{
  options.services = {
    harmonia.cache.enable = flag;
    harmonia.cache.settings = opt formats.any { };
    forgejo.enable = flag;
    forgejo.settings = opt (types.submodule {
      freeformType = types.attrsOf (types.attrsOf formats.any);
    }) { };
    gitea-actions-runner.package = mkOption {
      type = types.package;
      default = pkgs.forgejo-runner;
      defaultText = lib.literalExpression "pkgs.gitea-actions-runner";
    };
    gitea-actions-runner.instances = opt (types.attrsOf (
      types.submodule {
        options = {
          enable = flag;
          name = mkOption { type = types.str; };
          url = mkOption { type = types.str; };
          tokenFile = opt (types.nullOr (types.either types.str types.path)) null;
          labels = mkOption { type = types.listOf types.str; };
          hostPackages = mkOption { type = types.listOf types.package; };
        };
      }
    )) { };
    cage.enable = flag;
    cage.user = opt types.str "demo";
    cage.program = mkOption {
      type = types.path;
      default = "/usr/bin/xterm";
      defaultText = "xterm's";
    };
  };

  config = lib.mkMerge [
    (lib.mkIf harmonia.enable (
      lib.recursiveUpdate (systemUser "harmonia") {
        systemd.services.harmonia = {
          description = "Harmonia binary cache";
          wantedBy = [ "multi-user.target" ];
          after = [ "network.target" ];
          environment.CONFIG_FILE = (formats.toml { }).generate "harmonia.toml" harmonia.settings;
          unitConfig.ConditionFileIsExecutable = "/usr/bin/harmonia-cache";
          serviceConfig = {
            User = "harmonia";
            ExecStart = "/usr/bin/harmonia-cache";
          };
        };
      }
    ))
    (lib.mkIf forgejo.enable (
      lib.recursiveUpdate (systemUser "forgejo") {
        systemd.services.forgejo = {
          description = "Forgejo";
          wantedBy = [ "multi-user.target" ];
          after = [ "network.target" ];
          unitConfig.ConditionFileIsExecutable = "/usr/bin/forgejo";
          serviceConfig = {
            User = "forgejo";
            StateDirectory = "forgejo";
            ExecStart = "/usr/bin/forgejo web --config ${
              pkgs.writeText "app.ini" (lib.generators.toINI { } forgejo.settings)
            }";
          };
        };
      }
    ))
    (lib.mkIf (instances != { }) (
      lib.recursiveUpdate (systemUser "gitea-runner") {
        systemd.services = lib.mapAttrs' (
          name: instance:
          lib.nameValuePair "gitea-runner-${name}" {
            description = "Runner ${instance.name} of ${instance.url}";
            wantedBy = [ "multi-user.target" ];
            after = [ "network.target" ];
            path = instance.hostPackages;
            unitConfig.ConditionFileIsExecutable = "/usr/bin/forgejo-runner";
            serviceConfig = {
              User = "gitea-runner";
              StateDirectory = "gitea-runner/${name}";
              WorkingDirectory = "-/var/lib/gitea-runner/${name}";
              EnvironmentFile = lib.mkIf (instance.tokenFile != null) "-${toString instance.tokenFile}";
              ExecStartPre = "/usr/bin/forgejo-runner register --no-interactive --instance ${instance.url} --name ${instance.name} --token \${TOKEN} --labels ${lib.concatStringsSep "," instance.labels}";
              ExecStart = "/usr/bin/forgejo-runner daemon";
            };
          }
        ) instances;
      }
    ))
    (lib.mkIf cage.enable {
      systemd.services.cage-tty1 = {
        description = "Cage, a kiosk on the first console";
        wantedBy = [ "multi-user.target" ];
        unitConfig.ConditionFileIsExecutable = "/usr/bin/cage";
        serviceConfig = {
          User = cage.user;
          PAMName = "login";
          TTYPath = "/dev/tty1";
          ExecStart = "/usr/bin/cage ${cage.program}";
        };
      };
    })
  ];
}
