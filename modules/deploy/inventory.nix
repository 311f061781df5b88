# The host's entry in the fleet's inventory: plain data, and all that anything outside of this host may know of it. It
# must not depend on the inventory itself, on packages or on the toplevel.
{ config, lib, ... }:
let
  cfg = config.homelab.deploy;
  inherit (config.homelab) builder;
in
{
  options.homelab.inventory = lib.mkOption {
    type = lib.types.raw;
    internal = true;
    readOnly = true;
    example = {
      name = "Testing";
      deployable = true;
    };
    description = "What the fleet knows of this host, as it appears in the flake's `fleet` output.";
  };

  config.homelab.inventory = {
    inherit (config.homelab.host) name description;
    inherit (config.nixpkgs.hostPlatform) system;
    deployable = cfg.enable;
    inherit (cfg)
      targetHost
      wave
      runnerLabel
      hostKeys
      ;
    guard = cfg.guard.enable;
    upgrade = config.homelab.upgrade.enable;
    reboot = {
      inherit (config.homelab.reboot) unattended;
      window =
        if config.homelab.reboot.window == null then
          null
        else
          {
            inherit (config.homelab.reboot.window) from until days;
          };
    };
    notify = lib.mapAttrs (_: target: { inherit (target) kind url; }) cfg.notify;
    builder = builder.enable;
    # As those know it whose builds it takes.
    buildMachine =
      if builder.enable && builder.keys != { } then
        {
          inherit (builder)
            user
            systems
            maxJobs
            speedFactor
            supportedFeatures
            ;
        }
      else
        null;
    # How it is asked for releases, and with which keys.
    releases =
      if config.homelab.builder.releases.enable then
        { inherit (config.homelab.builder.releases) user keys; }
      else
        null;
    # Who may deploy it: with these keys no secret is to be read.
    deployKeys = config.homelab.users.deploy.keys;
    # How the binary cache that it serves is filled.
    binaryCache =
      if config.homelab.services.harmonia.enable then
        { inherit (config.homelab.services.harmonia.push) user roots; }
      else
        null;
    exporterPort =
      if config.homelab.services.monitoring.exporter.enable then
        config.homelab.services.monitoring.exporter.port
      else
        null;
    # What the host knows as a client of caches, in its own words.
    cache =
      if config.homelab.nixCache.enable then
        {
          inherit (config.homelab.nixCache) url publicKeys;
          inherit (config.nix.settings) substituters;
          trustedPublicKeys = config.nix.settings.trusted-public-keys;
        }
      else
        null;
    secrets = config.homelab.secrets.inventory;
    healthChecks = lib.mapAttrs (_: check: {
      inherit (check)
        command
        url
        user
        settle
        retries
        timeout
        ;
    }) cfg.healthChecks;
    # As deploy-rs wants it. Its defaults are written out, so that a plan can be read without knowing them.
    node =
      if cfg.enable then
        {
          hostname = cfg.targetHost;
          user = "root";
          inherit (cfg)
            sshUser
            sshOpts
            confirmTimeout
            activationTimeout
            ;
          magicRollback = true;
          autoRollback = true;
          # Let the host fetch from its own caches instead of sending everything through this connection.
          fastConnection = false;
        }
      else
        null;
  };
}
