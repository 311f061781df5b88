# The binary cache: Harmonia serves this host's store, nginx decides what of it is public.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.homelab.services.harmonia;
  inherit (config.homelab.builder) releases;
  address = "127.0.0.1:5000";
  # No signing key: Harmonia then serves the signatures that paths were built with. A cache that signs whatever lies in
  # its store vouches for everything that anybody has put there.
  cache = {
    enable = true;
    settings = {
      bind = address;
      inherit (cfg) priority;
    };
  };
  # NixOS 26.05 has a daemon beside the cache and moved the cache's options below `cache`.
  hasCacheOptions = options.services.harmonia ? cache;
in
{
  options.homelab.services.harmonia = {
    enable = lib.mkEnableOption "a binary cache over this host's store";
    priority = lib.mkOption {
      type = lib.types.ints.unsigned;
      default = 30;
      example = 50;
      description = "Lower is asked first; cache.nixos.org has 40.";
    };
  };

  config = lib.mkIf cfg.enable {
    services.harmonia = if hasCacheOptions then { inherit cache; } else cache;

    services.nginx = {
      enable = true;
      recommendedOptimisation = true;
      recommendedProxySettings = true;
      upstreams.harmonia = {
        servers.${address} = { };
        # A client asks for hundreds of narinfos in a row; a new connection for each is most of their cost.
        extraConfig = "keepalive 32;";
      };
      virtualHosts.cache = {
        default = true;
        # Harmonia also lists and serves whole store paths and build logs. What a substituter needs is public.
        locations =
          let
            proxied = {
              proxyPass = "http://harmonia";
              extraConfig = ''
                proxy_set_header Connection "";
              '';
            };
          in
          {
            "/".return = "404";
            "= /nix-cache-info" = proxied;
            "^~ /nar/" = proxied;
            "~ ^/[0-9a-z]+\\.narinfo$" = proxied;
          }
          # What hosts that upgrade themselves look for. They believe its signature, and not this server.
          // lib.optionalAttrs (releases.enable && releases.publish != null) {
            "^~ /releases/".root = releases.publish;
          };
      };
    };

    homelab.firewall.internalTCPPorts = [ 80 ];

    homelab.deploy.healthChecks.cache.url = "http://127.0.0.1/nix-cache-info";
  };
}
