# Prometheus, with a scrape list that is the inventory: a new host is watched as soon as its folder exists.
{
  config,
  lib,
  fleet,
  ...
}:
let
  cfg = config.homelab.services.monitoring;
  entries = lib.mapAttrs (_: entry: builtins.tryEval (builtins.deepSeq entry entry)) fleet.hosts;
  # A host whose configuration is refused is reported by its own build; it must not keep the others from being watched.
  # (Nix catches no syntax errors: with one of those in a host's folder this host fails as well.)
  unreadable = lib.attrNames (lib.filterAttrs (_: entry: !entry.success) entries);
  watched = lib.filter (entry: entry.deployable) (
    map (entry: entry.value) (lib.filter (entry: entry.success) (lib.attrValues entries))
  );
in
{
  options.homelab.services.monitoring = {
    server.enable = lib.mkEnableOption "Prometheus for all deployable hosts of the fleet";
    retention = lib.mkOption {
      type = lib.types.str;
      default = "90d";
      example = "1y";
      description = "How long figures are kept.";
    };
  };

  config = lib.mkIf cfg.server.enable {
    services.prometheus = {
      enable = true;
      # It answers whoever asks, so only Grafana, beside it, may.
      listenAddress = "127.0.0.1";
      retentionTime = cfg.retention;
      globalConfig.scrape_interval = "30s";
      scrapeConfigs = [
        {
          job_name = "node";
          static_configs = map (entry: {
            targets = [ "${entry.targetHost}:${toString cfg.exporterPort}" ];
            labels = {
              host = entry.name;
              wave = toString entry.wave;
            };
          }) watched;
        }
      ];
    };

    warnings = map (
      name:
      "the inventory entry of ${name} cannot be read, so that Prometheus does not watch it: build ${name} to see why"
    ) unreadable;

    homelab.deploy.healthChecks.prometheus = {
      url = "http://127.0.0.1:${toString config.services.prometheus.port}/-/ready";
      # It reads its log of figures back first.
      settle = 5;
      retries = 10;
    };
  };
}
