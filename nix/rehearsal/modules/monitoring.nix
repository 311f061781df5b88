# Prometheus, its node exporter, Grafana: Debian's programs where the guest has them. A unit whose program is missing
# is skipped by its condition, so that it neither fails nor pretends to run.
{
  lib,
  config,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  opt = type: default: mkOption { inherit type default; };
  maybe = type: opt (types.nullOr type) null;
  flag = opt types.bool false;
  formats = import ../pkgs/formats.nix {
    inherit lib;
    final = pkgs;
  };
  prometheus = config.services.prometheus;
  node = prometheus.exporters.node;
  grafana = config.services.grafana;
  withoutNulls = lib.filterAttrsRecursive (_: v: v != null);
in
{
  options.services.prometheus = {
    enable = flag;
    listenAddress = opt types.str "0.0.0.0";
    port = opt types.port 9090;
    retentionTime = maybe types.str;
    globalConfig = opt (types.submodule {
      options.scrape_interval = maybe types.str;
    }) { };
    scrapeConfigs = opt (types.listOf (
      types.submodule {
        options = {
          job_name = mkOption { type = types.str; };
          static_configs = maybe (
            types.listOf (
              types.submodule {
                options = {
                  targets = mkOption { type = types.listOf types.str; };
                  labels = opt (types.attrsOf types.str) { };
                };
              }
            )
          );
        };
      }
    )) [ ];
    exporters.node = opt (types.submodule {
      options = {
        enable = flag;
        port = opt types.port 9100;
        listenAddress = opt types.str "0.0.0.0";
        enabledCollectors = opt (types.listOf types.str) [ ];
      };
    }) { };
  };
  options.services.grafana = {
    enable = flag;
    settings = mkOption {
      type = types.submodule { freeformType = formats.any; };
      default = { };
      defaultText = "sections on NixOS";
    };
    provision.enable = flag;
    provision.datasources = opt (types.submodule {
      options.settings = maybe (
        types.submodule {
          options.apiVersion = opt types.int 1;
          options.datasources = opt (types.listOf (types.submodule { freeformType = formats.any; })) [ ];
        }
      );
    }) { };
  };

  config = lib.mkMerge [
    (lib.mkIf prometheus.enable {
      users.users.prometheus = {
        group = "prometheus";
        isSystemUser = true;
      };
      users.groups.prometheus = { };
      systemd.services.prometheus = {
        description = "Prometheus";
        wantedBy = [ "multi-user.target" ];
        unitConfig.ConditionFileIsExecutable = "/usr/bin/prometheus";
        serviceConfig = {
          User = "prometheus";
          StateDirectory = "prometheus2";
          ExecStart = "/usr/bin/prometheus --storage.tsdb.path=/var/lib/prometheus2 --web.listen-address=${prometheus.listenAddress}:${toString prometheus.port}${
            lib.optionalString (
              prometheus.retentionTime != null
            ) " --storage.tsdb.retention.time=${prometheus.retentionTime}"
          } --config.file=${
            (formats.yaml { }).generate "prometheus.yml" (withoutNulls {
              global = prometheus.globalConfig;
              scrape_configs = map withoutNulls prometheus.scrapeConfigs;
            })
          }";
          Restart = "always";
        };
      };
    })
    (lib.mkIf node.enable {
      users.users.node-exporter = {
        group = "node-exporter";
        isSystemUser = true;
      };
      users.groups.node-exporter = { };
      systemd.services.prometheus-node-exporter = {
        description = "Node exporter of Prometheus";
        wantedBy = [ "multi-user.target" ];
        after = [ "network.target" ];
        unitConfig.ConditionFileIsExecutable = "/usr/bin/prometheus-node-exporter";
        serviceConfig = {
          User = "node-exporter";
          ExecStart = "/usr/bin/prometheus-node-exporter --web.listen-address=${node.listenAddress}:${toString node.port}${
            lib.concatMapStrings (c: " --collector.${c}") node.enabledCollectors
          }";
          Restart = "always";
        };
      };
    })
    (lib.mkIf grafana.enable {
      users.users.grafana = {
        group = "grafana";
        isSystemUser = true;
      };
      users.groups.grafana = { };
      systemd.services.grafana = {
        description = "Grafana";
        wantedBy = [ "multi-user.target" ];
        unitConfig.ConditionFileIsExecutable = "/usr/sbin/grafana-server";
        serviceConfig = {
          User = "grafana";
          StateDirectory = "grafana";
          ExecStart = "/usr/sbin/grafana-server --homepath /usr/share/grafana --config ${
            pkgs.writeText "grafana.ini" (lib.generators.toINI { } grafana.settings)
          }";
          Environment = lib.mkIf grafana.provision.enable "GF_PATHS_PROVISIONING=${
            pkgs.linkFarm "grafana-provisioning" {
              "datasources/datasources.yaml" =
                (formats.yaml { }).generate "datasources.yaml"
                  grafana.provision.datasources.settings;
            }
          }";
        };
      };
    })
  ];
}
