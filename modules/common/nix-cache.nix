# The fleet's binary cache as a substituter that may die at any time. Usable alone: import this file on a personal
# machine and set url and publicKeys.
{ config, lib, ... }:
let
  cfg = config.homelab.nixCache;
in
{
  options.homelab.nixCache = {
    enable = lib.mkEnableOption "the fleet's binary cache as the first substituter";
    url = lib.mkOption {
      type = lib.types.str;
      example = "http://192.168.0.20";
      description = ''
        Address of the cache. What makes a path trusted is its signature, not the way it came, so that plain HTTP is
        safe inside the homelab.
      '';
    };
    publicKeys = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "cache.home.example.org-1:H4tQRdBtjGy9X/y5AX3BpeQ88pd6xk23ftmoDJe0cMU=" ];
      description = "Public keys with which the fleet's builder signs, each as `name:key`.";
    };
    fallbackSubstituters = lib.mkOption {
      type = lib.types.listOf lib.types.str;
      default = [ ];
      example = [ "https://nix-community.cachix.org" ];
      description = ''
        Further substituters, asked in this order when the cache has not got a path or does not answer. NixOS itself
        adds cache.nixos.org as the last one.
      '';
    };
    connectTimeout = lib.mkOption {
      type = lib.types.ints.positive;
      default = 3;
      example = 10;
      description = "Seconds after which a cache that does not answer is given up.";
    };
    negativeTtl = lib.mkOption {
      type = lib.types.ints.unsigned;
      default = 60;
      example = 600;
      description = ''
        Seconds for which a path that the cache had not got is not asked for again. Nix's own hour is too long for a
        cache that is filled by the builder a minute before the deployment.
      '';
    };
  };

  config = lib.mkIf cfg.enable {
    nix.settings = {
      substituters = lib.mkMerge [
        (lib.mkBefore [ cfg.url ])
        cfg.fallbackSubstituters
      ];
      trusted-public-keys = cfg.publicKeys;
      # Without it a build fails, instead of going to the next substituter or building, when the cache dies after it
      # answered once.
      fallback = true;
      connect-timeout = cfg.connectTimeout;
      # The default of five attempts, each with a longer pause, is what makes a dead cache slow.
      download-attempts = 2;
      stalled-download-timeout = 30;
      narinfo-cache-negative-ttl = cfg.negativeTtl;
    };

    assertions = [
      {
        assertion = cfg.publicKeys != [ ];
        message = ''
          homelab.nixCache is enabled, but no path from ${cfg.url} would be accepted: set homelab.nixCache.publicKeys
          to the key with which the fleet's builder signs.
        '';
      }
      {
        assertion = lib.any (substituter: substituter != cfg.url) config.nix.settings.substituters;
        message = ''
          ${cfg.url} is the only substituter, so that its death leaves no cache at all: name another one in
          homelab.nixCache.fallbackSubstituters, or leave nix.settings.substituters as NixOS sets it.
        '';
      }
    ];
  };
}
