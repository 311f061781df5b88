# Grafana over the Prometheus beside it. Its secrets are made on the host and never leave it.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (config.homelab.services) monitoring;
  cfg = monitoring.grafana;
  secrets = "/var/lib/grafana-secrets";
in
{
  options.homelab.services.monitoring.grafana = {
    domain = lib.mkOption {
      type = lib.types.str;
      default = "grafana.${config.homelab.site.domain}";
      defaultText = lib.literalMD "`grafana.` followed by {option}`homelab.site.domain`";
      example = "figures.home.example.org";
      description = "Name under which the reverse proxy serves it.";
    };
    port = lib.mkOption {
      type = lib.types.port;
      default = 3000;
      example = 3001;
      description = "Port on which it waits for the reverse proxy.";
    };
  };

  config = lib.mkIf monitoring.enable {
    services.grafana = {
      enable = true;
      settings = {
        server = {
          http_addr = "0.0.0.0";
          http_port = cfg.port;
          inherit (cfg) domain;
          root_url = "https://${cfg.domain}/";
        };
        security = {
          # Everything in the store can be read by everyone, so that Grafana gets paths and not values.
          admin_password = "$__file{${secrets}/admin-password}";
          secret_key = "$__file{${secrets}/secret-key}";
          cookie_secure = true;
        };
        analytics.reporting_enabled = false;
      };
      provision = {
        enable = true;
        datasources.settings.datasources = [
          {
            name = "Prometheus";
            type = "prometheus";
            # What the dashboard asks, by this name.
            uid = "fleet";
            url = "http://127.0.0.1:${toString config.services.prometheus.port}";
            isDefault = true;
          }
        ];
        dashboards.settings.providers = [
          {
            name = "fleet";
            options.path = "${./dashboards}";
          }
        ];
      };
    };

    systemd.services.grafana-secrets = {
      description = "Secrets of Grafana, made at its first start";
      before = [ "grafana.service" ];
      requiredBy = [ "grafana.service" ];
      path = [ pkgs.openssl ];
      script = ''
        for name in admin-password secret-key; do
          if [ ! -s $name ]; then
            openssl rand -hex 32 > $name.new
            mv $name.new $name
          fi
        done
      '';
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        User = "grafana";
        StateDirectory = baseNameOf secrets;
        StateDirectoryMode = "0700";
        WorkingDirectory = secrets;
        UMask = "0077";
      };
    };

    homelab.firewall.internalTCPPorts = [ cfg.port ];

    homelab.deploy.healthChecks.grafana = {
      url = "http://127.0.0.1:${toString cfg.port}/api/health";
      settle = 5;
      retries = 10;
    };
  };
}
