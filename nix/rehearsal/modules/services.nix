# Services that are a program with a configuration file. Debian packages some of them and the guest may have fewer: a
# unit whose program is missing is skipped by its condition, so that it neither fails nor pretends to run.
{
  lib,
  config,
  pkgs,
  standin,
  ...
}:
let
  inherit (lib) mkOption types;
  inherit (standin) opt flag maybe;
  inherit (pkgs) formats;
  inherit (config.services)
    cage
    forgejo
    grafana
    prometheus
    ;
  inherit (prometheus) alertmanager;
  node = prometheus.exporters.node;
  runner = config.services.gitea-actions-runner;
  withoutNulls = lib.filterAttrs (_: v: v != null);

  # A unit, and the account that it runs as.
  daemon =
    enable: name: user: program: arguments: unit:
    lib.mkIf enable {
      users.users.${user} = {
        group = user;
        isSystemUser = true;
      };
      users.groups.${user} = { };
      systemd.services.${name} = lib.mkMerge [
        unit
        {
          description = "${name} in the rehearsal";
          wantedBy = [ "multi-user.target" ];
          after = [ "network.target" ];
          unitConfig.ConditionFileIsExecutable = program;
          serviceConfig.User = user;
          serviceConfig.ExecStart = lib.concatStringsSep " " ([ program ] ++ arguments);
        }
      ];
    };
in
{
  options.services = {
    prometheus = {
      enable = flag;
      listenAddress = opt types.str "0.0.0.0";
      port = opt types.port 9090;
      retentionTime = maybe types.str null;
      globalConfig = opt (types.submodule {
        options.scrape_interval = maybe types.str null;
        options.evaluation_interval = maybe types.str null;
      }) { };
      ruleFiles = opt (types.listOf types.path) [ ];
      alertmanagers = opt (types.listOf types.attrs) [ ];
      alertmanager = {
        enable = flag;
        listenAddress = opt types.str "";
        port = opt types.port 9093;
        configuration = maybe types.attrs null;
        extraFlags = opt (types.listOf types.str) [ ];
      };
      scrapeConfigs = opt (types.listOf (
        types.submodule {
          options.job_name = mkOption { type = types.str; };
          options.static_configs = maybe (types.listOf (
            types.submodule {
              options.targets = mkOption { type = types.listOf types.str; };
              options.labels = opt (types.attrsOf types.str) { };
            }
          )) null;
        }
      )) [ ];
      exporters.node = opt (types.submodule {
        options = {
          enable = flag;
          port = opt types.port 9100;
          listenAddress = opt types.str "0.0.0.0";
          enabledCollectors = opt (types.listOf types.str) [ ];
          extraFlags = opt (types.listOf types.str) [ ];
        };
      }) { };
    };
    grafana = {
      enable = flag;
      settings = mkOption {
        type = types.submodule { freeformType = formats.any; };
        default = { };
        defaultText = "NixOS lists some of Grafana's own";
      };
      provision.enable = flag;
      provision.datasources = opt (types.submodule {
        options.settings = maybe (types.submodule {
          options.apiVersion = opt types.int 1;
          options.datasources = opt (types.listOf (types.submodule { freeformType = formats.any; })) [ ];
        }) null;
      }) { };
    };
    grafana.provision.dashboards = opt (types.submodule {
      options.settings = maybe (types.submodule {
        options.apiVersion = opt types.int 1;
        options.providers = opt (types.listOf (types.submodule { freeformType = formats.any; })) [ ];
      }) null;
    }) { };
    forgejo.enable = flag;
    forgejo.settings = opt (types.submodule {
      freeformType = types.attrsOf (types.attrsOf formats.any);
    }) { };
    gitea-actions-runner.package = mkOption {
      type = types.package;
      default = pkgs.forgejo-runner;
      defaultText = "Gitea's";
    };
    gitea-actions-runner.instances = opt (types.attrsOf (
      types.submodule {
        options = {
          enable = flag;
          name = mkOption { type = types.str; };
          url = mkOption { type = types.str; };
          tokenFile = maybe (types.either types.str types.path) null;
          labels = mkOption { type = types.listOf types.str; };
          hostPackages = mkOption { type = types.listOf types.package; };
          settings = opt (types.submodule { freeformType = formats.any; }) { };
        };
      }
    )) { };
    cage.enable = flag;
    cage.user = opt types.str "demo";
    cage.program = mkOption { type = types.path; };
  };

  config = lib.mkMerge [
    (daemon prometheus.enable "prometheus" "prometheus" "/usr/bin/prometheus" (
      [
        "--storage.tsdb.path=/var/lib/prometheus2"
        "--web.listen-address=${prometheus.listenAddress}:${toString prometheus.port}"
        "--config.file=${
          (formats.yaml { }).generate "prometheus.yml" {
            global = withoutNulls prometheus.globalConfig;
            scrape_configs = map withoutNulls prometheus.scrapeConfigs;
            rule_files = map (file: "${file}") prometheus.ruleFiles;
            alerting.alertmanagers = prometheus.alertmanagers;
          }
        }"
      ]
      ++ lib.optional (
        prometheus.retentionTime != null
      ) "--storage.tsdb.retention.time=${prometheus.retentionTime}"
    ) { serviceConfig.StateDirectory = "prometheus2"; })
    (daemon node.enable "prometheus-node-exporter" "node-exporter" "/usr/bin/prometheus-node-exporter" (
      [ "--web.listen-address=${node.listenAddress}:${toString node.port}" ]
      ++ map (collector: "--collector.${collector}") node.enabledCollectors
      ++ node.extraFlags
    ) { })
    (daemon alertmanager.enable "alertmanager" "alertmanager" "/usr/bin/prometheus-alertmanager" (
      [
        "--storage.path=/var/lib/alertmanager"
        "--web.listen-address=${alertmanager.listenAddress}:${toString alertmanager.port}"
        "--config.file=${(formats.yaml { }).generate "alertmanager.yml" alertmanager.configuration}"
      ]
      ++ alertmanager.extraFlags
    ) { serviceConfig.StateDirectory = "alertmanager"; })
    (daemon grafana.enable "grafana" "grafana" "/usr/sbin/grafana-server"
      [
        "--homepath /usr/share/grafana"
        "--config ${pkgs.writeText "grafana.ini" (lib.generators.toINI { } grafana.settings)}"
      ]
      {
        serviceConfig.StateDirectory = "grafana";
        environment = lib.mkIf grafana.provision.enable {
          GF_PATHS_PROVISIONING = pkgs.linkFarm "grafana-provisioning" {
            "datasources/datasources.yaml" =
              (formats.yaml { }).generate "datasources.yaml"
                grafana.provision.datasources.settings;
            "dashboards/dashboards.yaml" =
              (formats.yaml { }).generate "dashboards.yaml"
                grafana.provision.dashboards.settings;
          };
        };
      }
    )
    (daemon forgejo.enable "forgejo" "forgejo" "/usr/bin/forgejo" [
      "web --config ${pkgs.writeText "app.ini" (lib.generators.toINI { } forgejo.settings)}"
    ] { serviceConfig.StateDirectory = "forgejo"; })
    # The account is a person's, whom the host declares itself.
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
    {
      systemd.services = lib.mapAttrs' (
        name: instance:
        lib.nameValuePair "gitea-runner-${name}" {
          description = "Runner ${instance.name} of ${instance.url}";
          wantedBy = [ "multi-user.target" ];
          after = [ "network.target" ];
          path = instance.hostPackages;
          unitConfig.ConditionFileIsExecutable = "/usr/bin/forgejo-runner";
          serviceConfig = {
            DynamicUser = true;
            StateDirectory = "gitea-runner/${name}";
            WorkingDirectory = "/var/lib/gitea-runner/${name}";
            EnvironmentFile = lib.mkIf (instance.tokenFile != null) instance.tokenFile;
            ExecStartPre = "/usr/bin/forgejo-runner register --no-interactive --instance ${instance.url} --name ${instance.name} --token \${TOKEN} --labels ${lib.concatStringsSep "," instance.labels}";
            ExecStart = "/usr/bin/forgejo-runner daemon --config ${
              (formats.yaml { }).generate "config.yaml" instance.settings
            }";
          };
        }
      ) (lib.filterAttrs (_: instance: instance.enable) runner.instances);
    }
  ];
}
