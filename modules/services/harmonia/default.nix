# The binary cache: Harmonia serves this host's store, nginx decides what of it is public, and the builder's account
# brings in what the builder has signed.
{
  config,
  lib,
  options,
  ...
}:
let
  cfg = config.homelab.services.harmonia;
  inherit (config.homelab) nixCache users;
  inherit (config.homelab.builder) releases;
  trusted = config.nix.settings.trusted-users;
  # Without the comment at its end, which may be anything.
  bare = key: lib.take 2 (lib.splitString " " key);
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
    push = {
      keys = lib.mkOption {
        type = lib.types.attrsOf lib.types.str;
        default = { };
        example = {
          builder = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7aNaGGC/q7qUw9Jv5RGneqK1PkvLyi7LRTWSo7QDN8 replace-me@builder.example";
        };
        description = ''
          Public ssh keys that may bring paths in, by the name of who holds each: the builder's, and never CI's. Nix takes
          what one of `homelab.nixCache.publicKeys` has signed, and nothing else. A builder that is this very host needs
          none.
        '';
      };
      user = lib.mkOption {
        type = lib.types.str;
        default = "cache";
        example = "push";
        description = "Account that brings paths in, and keeps them; also the group of whoever else on this host may.";
      };
      roots = lib.mkOption {
        type = lib.types.path;
        internal = true;
        readOnly = true;
        default = "/nix/var/nix/gcroots/slipway";
        description = "Folder of the links that keep what was brought in: HOST/GENERATION.";
      };
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

    users.users = lib.mkMerge [
      {
        ${cfg.push.user} = import ../../users/login-by-key.nix {
          group = cfg.push.user;
          description = "What the builder brings into the binary cache";
          keys = map (key: "restrict ${key}") (lib.attrValues cfg.push.keys);
        };
      }
      (lib.mkIf releases.enable { ${releases.user}.extraGroups = [ cfg.push.user ]; })
    ];
    users.groups.${cfg.push.user} = { };
    systemd.tmpfiles.rules = [ "d ${cfg.push.roots} 2775 ${cfg.push.user} ${cfg.push.user} - -" ];
    # The account is not trusted by Nix: what it brings has to be signed.
    nix.settings.trusted-public-keys = lib.mkIf (!nixCache.enable) nixCache.publicKeys;

    assertions = [
      {
        assertion =
          !(lib.elem cfg.push.user trusted || lib.elem "@${cfg.push.user}" trusted || lib.elem "*" trusted);
        message = ''
          nix.settings.trusted-users lets the user ${cfg.push.user} bring unsigned paths into the cache: take it out of there.
        '';
      }
      {
        assertion =
          !(lib.elem cfg.push.user [
            "root"
            "deploy"
            releases.user
            users.operator.name
          ]);
        message = ''
          homelab.services.harmonia.push.user is somebody else's account: name one that does nothing but fill the cache.
        '';
      }
      {
        assertion =
          lib.intersectLists (map bare (lib.attrValues cfg.push.keys)) (
            map bare (lib.attrValues users.deploy.keys)
          ) == [ ];
        message = ''
          a key that may deploy is among homelab.services.harmonia.push.keys: only the builder fills the cache, with a key
          of its own.
        '';
      }
      {
        assertion = cfg.push.keys == { } || nixCache.publicKeys != [ ];
        message = ''
          homelab.services.harmonia.push.keys is set, but no path would be taken: set homelab.nixCache.publicKeys to the key
          with which the fleet's builder signs.
        '';
      }
    ];

    homelab.firewall.internalTCPPorts = [ 80 ];

    homelab.deploy.healthChecks.cache.url = "http://127.0.0.1/nix-cache-info";
  };
}
