# The only host that the router forwards ports to (80 and 443).
{ config, fleet, ... }:
let
  inherit (config.homelab.site) domain;
  at = host: port: "http://${fleet.hosts.${host}.targetHost}:${toString port}";
in
{
  homelab = {
    host.description = "Reverse proxy";
    deploy = {
      targetHost = "192.168.0.10";
      wave = 2;
    };

    services.reverseProxy = {
      enable = true;
      acme.email = "hostmaster@example.org";
      virtualHosts = {
        ${domain}.upstream = at "Production" 8080;
        "grafana.${domain}".upstream = at "Production" 3000;
        "git.${domain}" = {
          upstream = at "Development" 3000;
          # A push is one request, and some repositories are large.
          maxBodySize = "1g";
        };
      };
    };
  };
}
