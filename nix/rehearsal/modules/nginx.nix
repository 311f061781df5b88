# services.nginx and the part of security.acme that goes with it: Debian's nginx with a configuration from the store,
# and the self-signed certificates that NixOS serves until the first order. Nothing is ever ordered here.
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
  cfg = config.services.nginx;
  extraConfig = opt types.lines "";

  upstream = name: u: ''
    upstream ${name} {
      ${
        lib.concatStrings (
          lib.mapAttrsToList (
            address: settings: "server ${address}${lib.optionalString settings.backup " backup"};\n"
          ) u.servers
        )
      }${u.extraConfig}
    }
  '';
  location = path: l: ''
    location ${path} {
      ${lib.optionalString (l.root != null) "root ${l.root};"}
      ${lib.optionalString (l.return != null) "return ${toString l.return};"}
      ${lib.optionalString (l.proxyPass != null) "proxy_pass ${l.proxyPass};"}
      ${lib.optionalString (l.proxyPass != null && cfg.recommendedProxySettings) proxyHeaders}
      ${lib.optionalString l.proxyWebsockets ''
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection $connection_upgrade;
      ''}
      ${l.extraConfig}
    }
  '';
  proxyHeaders = ''
    proxy_set_header Host $host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $host;
  '';
  listenLine =
    vhost: addr: port: ssl:
    "listen ${addr}:${toString port}${lib.optionalString ssl " ssl"}${lib.optionalString vhost.default " default_server"};\n";
  everywhere =
    vhost: port: ssl:
    lib.concatMapStrings (a: listenLine vhost a port ssl) [
      "0.0.0.0"
      "[::]"
    ];
  server =
    name: vhost:
    let
      tls = vhost.forceSSL || vhost.rejectSSL;
      certificates = "/var/lib/acme/${name}";
      listen =
        if vhost.listen != [ ] then
          lib.concatMapStrings (
            l: listenLine vhost l.addr (if l.port == null then 80 else l.port) l.ssl
          ) vhost.listen
        else
          lib.optionalString (!vhost.forceSSL) (everywhere vhost 80 false)
          + lib.optionalString tls (everywhere vhost 443 true);
    in
    lib.optionalString vhost.forceSSL ''
      server {
        ${everywhere vhost 80 false}server_name ${name};
        location ^~ /.well-known/acme-challenge/ { root /var/lib/acme/acme-challenge; }
        location / { return 301 https://$host$request_uri; }
      }
    ''
    + ''
      server {
        ${listen}server_name ${name};
        ${lib.optionalString vhost.rejectSSL "ssl_reject_handshake on;"}
        ${lib.optionalString vhost.enableACME ''
          ssl_certificate ${certificates}/fullchain.pem;
          ssl_certificate_key ${certificates}/key.pem;
        ''}
        ${lib.optionalString (vhost.root != null) "root ${vhost.root};"}
        ${vhost.extraConfig}
        ${lib.concatStrings (lib.mapAttrsToList location vhost.locations)}
      }
    '';

  configFile = pkgs.writeText "nginx.conf" ''
    user nginx nginx;
    pid /run/nginx/nginx.pid;
    error_log stderr;
    worker_processes auto;
    events { }
    http {
      include /etc/nginx/mime.types;
      access_log off;
      server_tokens off;
      client_max_body_size 10m;
      ssl_protocols TLSv1.2 TLSv1.3;
      map $http_upgrade $connection_upgrade { default upgrade; "" close; }
      ${lib.optionalString cfg.recommendedOptimisation "sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_timeout 65;"}
      ${lib.optionalString cfg.recommendedTlsSettings "ssl_session_timeout 1d; ssl_session_cache shared:SSL:10m; ssl_session_tickets off;"}
      ${lib.optionalString cfg.recommendedGzipSettings "gzip on; gzip_proxied any; gzip_vary on;"}
      ${lib.optionalString cfg.recommendedProxySettings "proxy_redirect off; proxy_connect_timeout 60s; proxy_read_timeout 60s;"}
      ${lib.concatStrings (lib.mapAttrsToList upstream cfg.upstreams)}
      ${lib.concatStrings (lib.mapAttrsToList server cfg.virtualHosts)}
    }
  '';
  ordered = lib.attrNames (lib.filterAttrs (_: v: v.enableACME) cfg.virtualHosts);
in
{
  options = {
    services.nginx = {
      enable = flag;
      recommendedProxySettings = flag;
      recommendedTlsSettings = flag;
      recommendedOptimisation = flag;
      recommendedGzipSettings = flag;
      upstreams = opt (types.attrsOf (
        types.submodule {
          options = {
            servers = opt (types.attrsOf (
              types.submodule {
                freeformType = types.attrsOf (
                  types.oneOf [
                    types.bool
                    types.int
                    types.str
                  ]
                );
                options.backup = flag;
              }
            )) { };
            inherit extraConfig;
          };
        }
      )) { };
      virtualHosts = mkOption {
        default.localhost = { };
        defaultText = "one for localhost";
        type = types.attrsOf (
          types.submodule {
            options = {
              default = flag;
              root = maybe types.path null;
              forceSSL = flag;
              enableACME = flag;
              rejectSSL = flag;
              inherit extraConfig;
              listen = opt (types.listOf (
                types.submodule {
                  options = {
                    addr = mkOption { type = types.str; };
                    port = maybe types.port null;
                    ssl = flag;
                  };
                }
              )) [ ];
              locations = opt (types.attrsOf (
                types.submodule {
                  options = {
                    root = maybe types.path null;
                    proxyPass = maybe types.str null;
                    proxyWebsockets = flag;
                    return = maybe (types.either types.str types.int) null;
                    inherit extraConfig;
                  };
                }
              )) { };
            };
          }
        );
      };
    };
    security.acme = {
      acceptTerms = flag;
      defaults.email = mkOption { type = types.nullOr types.str; };
      defaults.server = mkOption { type = types.nullOr types.str; };
    };
  };

  config = lib.mkIf cfg.enable {
    assertions = [
      {
        assertion = ordered == [ ] || config.security.acme.acceptTerms;
        message = "certificates are to be ordered and security.acme.acceptTerms is not set";
      }
    ];
    users.users.nginx = {
      group = "nginx";
      isSystemUser = true;
    };
    users.groups.nginx = { };
    systemd.services = {
      nginx = {
        description = "nginx";
        wantedBy = [ "multi-user.target" ];
        wants = map (name: "acme-${name}.service") ordered;
        after = [ "network.target" ] ++ map (name: "acme-${name}.service") ordered;
        stopIfChanged = false;
        serviceConfig = {
          Type = "forking";
          PIDFile = "/run/nginx/nginx.pid";
          RuntimeDirectory = "nginx";
          LogsDirectory = "nginx";
          ExecStart = "/usr/sbin/nginx -c ${configFile}";
          ExecReload = "/bin/kill -HUP $MAINPID";
          Restart = "always";
          RestartSec = 10;
        };
      };
    }
    // lib.genAttrs (map (name: "acme-${name}") ordered) (unit: {
      description = "A self-signed certificate for ${lib.removePrefix "acme-" unit}";
      serviceConfig = {
        Type = "oneshot";
        RemainAfterExit = true;
        StateDirectory = "acme/${lib.removePrefix "acme-" unit}";
      };
      script = ''
        cd "$STATE_DIRECTORY"
        [ ! -s fullchain.pem ] || exit 0
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
          -subj ${lib.escapeShellArg "/CN=${lib.removePrefix "acme-" unit}"} -keyout key.pem -out fullchain.pem
      '';
    });
  };
}
