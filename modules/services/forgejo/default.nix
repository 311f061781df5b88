# The forge, behind the reverse proxy.
{ config, lib, ... }:
let
  cfg = config.homelab.services.forgejo;
  inherit (config.homelab.deploy) targetHost;
in
{
  options.homelab.services.forgejo = {
    enable = lib.mkEnableOption "Forgejo, open to the homelab's networks";
    domain = lib.mkOption {
      type = lib.types.str;
      default = "git.${config.homelab.site.domain}";
      defaultText = lib.literalMD "`git.` followed by {option}`homelab.site.domain`";
      example = "forge.home.example.org";
      description = "Name under which the reverse proxy serves it.";
    };
    port = lib.mkOption {
      type = lib.types.port;
      default = 3000;
      example = 3001;
      description = "Port on which it waits for the reverse proxy.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.forgejo = {
      enable = true;
      settings = {
        server = {
          DOMAIN = cfg.domain;
          ROOT_URL = "https://${cfg.domain}/";
          HTTP_ADDR = "0.0.0.0";
          HTTP_PORT = cfg.port;
          # ssh does not pass the proxy, so that clone addresses have to name this host.
          SSH_DOMAIN = lib.mkIf (targetHost != null) targetHost;
        };
        # Accounts are made by `forgejo admin user create` on the host: whoever may push here may ask for deployments.
        service.DISABLE_REGISTRATION = true;
        session.COOKIE_SECURE = true;
        actions = {
          ENABLED = true;
          # A job that the forge ends leaves a deployment half-way. Of itself it gives three hours, and deploy.yml needs more.
          ENDLESS_TASK_TIMEOUT = "9h";
        };
      };
    };

    homelab.firewall.internalTCPPorts = [ cfg.port ];

    homelab.deploy.healthChecks.forgejo = {
      url = "http://127.0.0.1:${toString cfg.port}/api/healthz";
      # After an upgrade it migrates its database before it answers.
      settle = 5;
      retries = 20;
    };
  };
}
