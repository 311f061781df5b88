# A screen that shows one page and nothing else.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.homelab.services.kiosk;
  browser = pkgs.writeShellApplication {
    name = "kiosk";
    text = "exec ${pkgs.firefox}/bin/firefox --kiosk ${lib.escapeShellArg cfg.url}";
  };
in
{
  options.homelab.services.kiosk = {
    enable = lib.mkEnableOption "a browser that fills the screen";
    url = lib.mkOption {
      type = lib.types.str;
      default = "https://${config.homelab.site.domain}/";
      defaultText = lib.literalMD "the start page of {option}`homelab.site.domain`";
      example = "https://grafana.home.example.org/d/fleet?kiosk";
      description = "The page.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.cage = {
      enable = true;
      user = "kiosk";
      program = "${browser}/bin/kiosk";
    };
    users.users.kiosk = {
      isNormalUser = true;
      description = "Kiosk";
    };
    systemd.services.cage-tty1 = {
      # The browser shows an error page for ever if it is faster than the network.
      wants = [ "network-online.target" ];
      after = [ "network-online.target" ];
      # A crashed browser comes back, however often; nobody stands beside it.
      unitConfig.StartLimitIntervalSec = 0;
      serviceConfig = {
        Restart = "always";
        RestartSec = 5;
      };
    };

    homelab.deploy.healthChecks.kiosk = {
      command = "systemctl is-active cage-tty1.service";
      # A browser that cannot open the screen ends within seconds.
      settle = 15;
    };
  };
}
