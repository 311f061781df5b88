# The fleet's front door: names, certificates, and who is behind them.
{ config, lib, ... }:
let
  cfg = config.homelab.services.reverseProxy;
  virtualHost = {
    options = {
      upstream = lib.mkOption {
        type = lib.types.strMatching "https?://[^/ ]+";
        example = "http://192.168.0.31:8080";
        description = "Where requests go: scheme, address and port, without a path.";
      };
      maxBodySize = lib.mkOption {
        type = lib.types.str;
        default = "16m";
        example = "1g";
        description = "Largest request body that is let through, as nginx writes sizes.";
      };
    };
  };
in
{
  options.homelab.services.reverseProxy = {
    enable = lib.mkEnableOption "a reverse proxy with TLS for the fleet's services";
    virtualHosts = lib.mkOption {
      type = lib.types.attrsOf (lib.types.submodule virtualHost);
      default = { };
      example = lib.literalExpression ''
        { "git.home.example.org".upstream = "http://192.168.0.91:3000"; }
      '';
      description = "What is served under which name. Each name gets its own certificate.";
    };
    acme = {
      email = lib.mkOption {
        type = lib.types.str;
        example = "hostmaster@example.org";
        description = "Address that the certificate authority writes to before a certificate runs out.";
      };
      server = lib.mkOption {
        type = lib.types.nullOr lib.types.str;
        default = null;
        example = "https://ca.home.arpa/acme/acme/directory";
        description = ''
          ACME directory of the certificate authority: one's own, where the names are not public, or null for Let's
          Encrypt.
        '';
      };
    };
  };

  config = lib.mkIf cfg.enable {
    services.nginx = {
      enable = true;
      recommendedGzipSettings = true;
      recommendedOptimisation = true;
      recommendedProxySettings = true;
      recommendedTlsSettings = true;
      virtualHosts = {
        # Whoever asks for a name that is not served learns that a proxy is there, and gets no certificate to read names
        # from.
        "_" = {
          default = true;
          rejectSSL = true;
          locations = {
            "/".return = "444";
            "= /healthz" = {
              return = "200 ok";
              extraConfig = "default_type text/plain;";
            };
          };
        };
      }
      // lib.mapAttrs (_: host: {
        enableACME = true;
        forceSSL = true;
        locations."/" = {
          proxyPass = host.upstream;
          proxyWebsockets = true;
        };
        extraConfig = "client_max_body_size ${host.maxBodySize};";
      }) cfg.virtualHosts;
    };

    security.acme = {
      acceptTerms = true;
      defaults = {
        inherit (cfg.acme) email;
        server = lib.mkIf (cfg.acme.server != null) cfg.acme.server;
      };
    };

    networking.firewall.allowedTCPPorts = [
      80
      443
    ];

    homelab.deploy.healthChecks.reverse-proxy.url = "http://127.0.0.1/healthz";
  };
}
