# A page of links to what the homelab offers.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  cfg = config.homelab.services.startPage;
  page = pkgs.writeTextDir "index.html" ''
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width">
    <meta name="color-scheme" content="light dark">
    <title>${lib.escapeXML cfg.title}</title>
    <h1>${lib.escapeXML cfg.title}</h1>
    <ul>
    ${lib.concatStringsSep "\n" (
      lib.mapAttrsToList (
        name: url: ''<li><a href="${lib.escapeXML url}">${lib.escapeXML name}</a></li>''
      ) cfg.links
    )}
    </ul>
    </html>
  '';
in
{
  options.homelab.services.startPage = {
    enable = lib.mkEnableOption "the start page, open to the homelab's networks";
    title = lib.mkOption {
      type = lib.types.str;
      default = config.homelab.site.domain;
      defaultText = lib.literalExpression "config.homelab.site.domain";
      example = "Home";
      description = "Heading of the page.";
    };
    links = lib.mkOption {
      type = lib.types.attrsOf lib.types.str;
      default = { };
      example = {
        Git = "https://git.home.example.org/";
      };
      description = "What the page links to, by the name that is shown.";
    };
    port = lib.mkOption {
      type = lib.types.port;
      default = 8080;
      example = 8081;
      description = "Port on which it waits for the reverse proxy.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.nginx = {
      enable = true;
      virtualHosts.start-page = {
        listen = [
          {
            addr = "0.0.0.0";
            inherit (cfg) port;
          }
        ];
        root = page;
      };
    };

    homelab.firewall.internalTCPPorts = [ cfg.port ];

    homelab.deploy.healthChecks.start-page.url = "http://127.0.0.1:${toString cfg.port}/";
  };
}
