//! What the options under `homelab.*` make of a host that sets each of them to something else than its default. The
//! texts of built files (the kiosk's script, the start page, the image) are not looked at.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use fleet::with_filters;
use support::{nix, repository};

/// What a host is made of, as far as the options reach.
const SEEN: &str = r#"hosts: builtins.mapAttrs (_: { config, ... }: {
  entries = config.boot.loader.systemd-boot.configurationLimit;
  root = config.fileSystems."/".device;
  esp = config.fileSystems."/boot".device;
  timeZone = config.time.timeZone;
  firewall = config.networking.firewall.extraInputRules;
  nix = { inherit (config.nix.settings) substituters trusted-public-keys connect-timeout narinfo-cache-negative-ttl; };
  keepOutputs = config.nix.settings.keep-outputs or false;
  releases = { inherit (config.users.users.releases.openssh.authorizedKeys) keys; door = { inherit (builtins.fromJSON (builtins.unsafeDiscardStringContext config.environment.etc."slipway-guard/builder.json".text)) program args home; }; };
  deployKeys = config.users.users.deploy.openssh.authorizedKeys.keys;
  operator = { inherit (config.users.users.alice) hashedPasswordFile; inherit (config.users.users.alice.openssh.authorizedKeys) keys; };
  wheelNeedsPassword = config.security.sudo.wheelNeedsPassword;
  cachePriority = config.services.harmonia.cache.settings.priority or config.services.harmonia.settings.priority;
  push = { inherit (config.users.users.push.openssh.authorizedKeys) keys; others = config.users.groups.push.name; builder = config.users.users.releases.extraGroups; rules = builtins.filter (rule: builtins.match ".*gcroots.*" rule != null) config.systemd.tmpfiles.rules; };
  forge = { inherit (config.services.forgejo.settings.server) DOMAIN HTTP_PORT SSH_DOMAIN; inherit (config.services.forgejo.settings.actions) ENDLESS_TASK_TIMEOUT; };
  runner = { inherit (config.services.gitea-actions-runner.instances.fleet) url tokenFile labels; inherit (config.services.gitea-actions-runner.instances.fleet.settings.runner) timeout; restarts = config.systemd.services.gitea-runner-fleet.restartIfChanged; };
  grafana = { inherit (config.services.grafana.settings.server) domain http_port; };
  retention = config.services.prometheus.retentionTime;
  exporter = { inherit (config.services.prometheus.exporters.node) port; timer = config.systemd.timers.slipway-metrics.timerConfig; };
  alertmanager = config.services.prometheus.alertmanager.configuration.receivers;
  scraped = map (job: job.static_configs) config.services.prometheus.scrapeConfigs;
  startPagePort = map (listen: listen.port) config.services.nginx.virtualHosts.start-page.listen;
  proxied = { inherit (config.services.nginx.virtualHosts."git.example.org") extraConfig; upstream = config.services.nginx.virtualHosts."git.example.org".locations."/".proxyPass; };
  acme = { inherit (config.security.acme.defaults) email server; };
  sops = { inherit (config.sops.age) sshKeyPaths; gnupg = config.sops.gnupg.sshKeyPaths; file = baseNameOf config.sops.defaultSopsFile; };
  inherit (config.homelab) inventory;
}) hosts"#;

const SET: &str = r#"{
  homelab = {
    host.description = "Everything";
    builder.enable = true;
    builder.releases = {
      enable = true;
      keys.ci = "ssh-ed25519 CI";
      user = "releases";
      signer = "/signer.toml";
      program = "/xtask";
    };
    boot.entries = 3;
    disk.rootLabel = "root";
    disk.espLabel = "BOOT";
    site = {
      domain = "example.org";
      timeZone = "Europe/Berlin";
      networks = [ "10.0.0.0/8" ];
    };
    firewall.internalTCPPorts = [ 1234 ];
    nixCache = {
      enable = true;
      url = "http://10.0.0.2";
      publicKeys = [ "cache-1:key" ];
      fallbackSubstituters = [ "https://other.example.org" ];
      connectTimeout = 7;
      negativeTtl = 9;
    };
    deploy = {
      targetHost = "10.0.0.1";
      wave = 5;
      guard.package = { outPath = "/nix/store/guard"; type = "derivation"; };
      sshUser = "root";
      sshOpts = [ "-v" ];
      confirmTimeout = 31;
      activationTimeout = 241;
      runnerLabel = "big";
      hostKeys = [ "ssh-ed25519 HOST root@host" ];
      notify.phone = {
        kind = "ntfy";
        url = "https://ntfy.example.org/fleet";
      };
      healthChecks.own = {
        command = "true";
        user = "nobody";
        settle = 1;
        retries = 2;
        timeout = 4;
      };
    };
    reboot = {
      unattended = false;
      window = {
        from = "23:00";
        until = "01:30";
        days = [ "Sat" ];
      };
    };
    secrets.file = ./secrets.yaml;
    secrets.operators.ann = "age1ann";
    users.deploy.enable = true;
    users.deploy.keys.ci = "ssh-ed25519 CI";
    users.operator = {
      enable = true;
      name = "alice";
      keys.laptop = "ssh-ed25519 LAPTOP";
      hashedPasswordFile = "/hash";
    };
    services = {
      harmonia.enable = true;
      harmonia.priority = 50;
      harmonia.push.keys.builder = "ssh-ed25519 BUILDER builder@example";
      harmonia.push.user = "push";
      forgejo.enable = true;
      forgejo.domain = "forge.example.org";
      forgejo.port = 3001;
      forgejoRunner.enable = true;
      forgejoRunner.url = "http://forge";
      forgejoRunner.tokenFile = "/token";
      monitoring.enable = true;
      monitoring.retention = "1y";
      monitoring.alertWebhooks = [ "https://ntfy.example.org/fleet" ];
      monitoring.exporter.port = 9101;
      monitoring.exporter.interval = 120;
      monitoring.grafana.domain = "figures.example.org";
      monitoring.grafana.port = 3002;
      startPage.enable = true;
      startPage.port = 8081;
      reverseProxy.enable = true;
      reverseProxy.virtualHosts."git.example.org" = {
        upstream = "http://10.0.0.3:3001";
        maxBodySize = "1g";
      };
      reverseProxy.acme.email = "me@example.org";
      reverseProxy.acme.server = "https://ca.example.org";
    };
  };
}
"#;

/// What a host is that builds for `CLIENT`, and what becomes of that there.
const BUILDER: &str = r#"{
  homelab = {
    deploy.targetHost = "10.0.0.5";
    deploy.hostKeys = [ "ssh-ed25519 ONE" "ssh-rsa TWO" ];
    builder = {
      enable = true;
      keys.client = "ssh-ed25519 CLIENT";
      user = "building";
      systems = [ "aarch64-linux" ];
      maxJobs = 4;
      speedFactor = 3;
      supportedFeatures = [ "big-parallel" ];
    };
  };
}
"#;

const CLIENT: &str = r#"{
  homelab = {
    deploy.targetHost = "10.0.0.6";
    builders = {
      enable = true;
      sshKey = "/run/secrets/builders";
      machines.rented = {
        hostName = "arm.example.org";
        systems = [ "armv7l-linux" ];
      };
    };
  };
}
"#;

const BUILDING: &str = r#"hosts: {
  builder = let inherit (hosts.Builder) config; in {
    inherit (config.users.users.building.openssh.authorizedKeys) keys;
    inherit (config.nix.settings) trusted-users;
    inherit (config.homelab.inventory) buildMachine;
  };
  client = let inherit (hosts.Client) config; in {
    inherit (config.nix) distributedBuilds;
    machines = config.environment.etc."nix/machines".text;
    known = config.environment.etc."ssh/ssh_known_hosts".text;
    substitutes = config.nix.settings.builders-use-substitutes;
  };
  assertions = let
    failed = host: map (it: it.message) (builtins.filter (it: !it.assertion) hosts.${host}.config.assertions);
  in { alone = failed "Alone"; both = failed "Both"; client = failed "Client"; builder = failed "Builder"; signer = failed "Signer"; };
}"#;

#[test]
fn every_option_reaches_the_host() {
    let Some(nix) = nix() else { return };
    let seen = fleet::applied(&nix, &[("All", SET)], SEEN);
    insta::assert_json_snapshot!(seen["All"]);
    // What forge or runner ends by itself may be a deployment.
    let longest = longest_job();
    for limit in [
        &seen["All"]["forge"]["ENDLESS_TASK_TIMEOUT"],
        &seen["All"]["runner"]["timeout"],
    ] {
        let hours = limit.as_str().unwrap().strip_suffix('h').unwrap();
        let minutes = 60 * hours.parse::<u32>().unwrap();
        assert!(longest < minutes, "{longest} min in {limit}");
    }
}

/// What the workflows let a job of theirs take, in minutes.
fn longest_job() -> u32 {
    let files = std::fs::read_dir(repository().join(".forgejo/workflows")).unwrap();
    let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let minutes = |text: String| {
        let lines = text.lines().map(str::trim);
        let limits = lines.filter_map(|line| line.strip_prefix("timeout-minutes: "));
        limits.map(|it| it.parse().unwrap()).max().unwrap_or(0)
    };
    texts.map(minutes).max().unwrap()
}

#[test]
fn a_host_builds_on_the_builders_of_its_fleet() {
    let Some(nix) = nix() else { return };
    let hosts = [("Builder", BUILDER), ("Client", CLIENT)];
    // Both are wrong, and say what to do.
    let both = CLIENT.replace(
        "deploy.targetHost = \"10.0.0.6\";",
        "builder.enable = true;\n    deploy.targetHost = \"10.0.0.7\";",
    );
    let alone = "{ homelab.deploy.enable = false; homelab.builder.enable = true; homelab.builder.keys.x = \"ssh-ed25519 X\"; homelab.builder.user = \"deploy\"; }";
    let signer = r#"{ homelab = {
      deploy.targetHost = "10.0.0.8";
      users.deploy.keys.ci = "ssh-ed25519 CI ci@example";
      builder = { enable = true; keys.runner = "ssh-ed25519 CI"; releases = { enable = true; keys.ci = "ssh-ed25519 CI"; }; };
    }; }"#;
    let wrong = [
        ("Both", both.as_str()),
        ("Alone", alone),
        ("Signer", signer),
    ];
    let hosts = [&hosts[..], &wrong].concat();
    let filters = [(
        "/nix/store/[0-9a-z]{32}-".to_owned(),
        "/nix/store/[HASH]-".to_owned(),
    )];
    with_filters(&filters, || {
        insta::assert_json_snapshot!(fleet::applied(&nix, &hosts, BUILDING));
    });
}
