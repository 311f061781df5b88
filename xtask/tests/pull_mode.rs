//! What `homelab.upgrade` makes of a host, and which settings it refuses with their cure.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use std::fmt::Write;

use guard::upgrade::Settings;
use serde_json::Value;
use support::nix;

const SEEN: &str = r#"hosts: builtins.mapAttrs (_: { config, ... }:
  let
    etc = name: builtins.fromJSON (builtins.unsafeDiscardStringContext (config.environment.etc."slipway-guard/${name}.json" or { text = "{}"; }).text);
    unit = config.systemd.services.slipway-upgrade;
  in {
    refused = map (it: it.message) (builtins.filter (it: !it.assertion) config.assertions);
    upgrade = if config.homelab.upgrade.enable then {
      settings = etc "upgrade";
      guard = (etc "config").upgrade or null;
      service = { inherit (unit) restartIfChanged; inherit (unit.serviceConfig) User SupplementaryGroups SuccessExitStatus StateDirectory; };
      timer = config.systemd.timers.slipway-upgrade.timerConfig;
      inventory = config.homelab.inventory.upgrade;
    } else null;
    published = {
      served = config.services.nginx.virtualHosts.cache.locations."^~ /releases/".root or null;
      folders = builtins.filter (rule: builtins.match ".*slipway-published.*" rule != null) config.systemd.tmpfiles.rules;
      door = (etc "builder").args or null;
    };
  }) hosts"#;

/// A host with a guard and these settings. NixOS has `system.autoUpgrade`; the stand-in has not.
fn host(settings: &str) -> String {
    format!(
        "{{ lib, ... }}: {{\n  options.system.autoUpgrade.enable = lib.mkOption {{ type = lib.types.bool; default = false; }};\n  \
         config = lib.mkMerge [\n    {{\n      homelab.deploy.targetHost = \"10.0.0.1\";\n      homelab.site.networks = [ \"10.0.0.0/8\" ];\n      \
         homelab.users.deploy = {{ enable = true; keys.ci = \"ssh-ed25519 CI\"; }};\n      \
         homelab.nixCache = {{ enable = true; url = \"http://10.0.0.2\"; publicKeys = [ \"cache-1:key\" ]; }};\n      \
         homelab.deploy.guard = {{ enable = lib.mkDefault true; releaseSigners.signer = \"ssh-ed25519 S\"; \
         package = {{ outPath = \"/nix/store/guard\"; type = \"derivation\"; }}; }};\n      \
         homelab.builder.releases.program = \"/xtask\";\n    }}\n    {{ {settings} }}\n  ];\n}}\n"
    )
}

fn seen(hosts: &[(&str, String)]) -> Option<Value> {
    let hosts: Vec<(&str, &str)> = hosts
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    Some(fleet::applied(&nix()?, &hosts, SEEN))
}

#[test]
fn a_host_in_pull_mode_is_what_its_options_say() {
    let told = "services.monitoring.exporter.enable = true;";
    let all = "homelab.upgrade = { enable = true; interval = 3600; canaries = [ \"Canary\" ]; soak = 60; reboot = true; };\n\
        homelab.reboot.window = { from = \"02:00\"; until = \"04:00\"; };\nhomelab.deploy.confirmTimeout = 45;";
    let hosts = [
        ("All", host(all)),
        ("Canary", host(&format!("homelab.{told}"))),
        ("Plain", host("homelab.upgrade.enable = true;")),
        (
            "Hydra",
            host("homelab.upgrade = { enable = true; source = \"hydra\"; hydraJob = \"https://hydra/job/fleet/main/hosts.Hydra\"; };"),
        ),
        (
            "Cache",
            host(
                "homelab.services.harmonia.enable = true; homelab.nixCache.enable = lib.mkForce false; homelab.builder = { enable = true; \
                 releases = { enable = true; keys.ci = \"ssh-ed25519 CI\"; publish = \"/var/lib/slipway-published\"; }; };",
            ),
        ),
    ];
    let Some(mut seen) = seen(&hosts) else { return };
    for (name, host) in seen.as_object_mut().unwrap() {
        assert_eq!(host["refused"], serde_json::json!([]), "{name}");
        // What the module writes is what the guard reads.
        if let Some(settings) = host["upgrade"].get_mut("settings") {
            Settings::parse(settings.to_string().as_bytes()).unwrap();
            settings["programs"] = "in the store".into();
        }
    }
    insta::assert_json_snapshot!(seen);
}

#[test]
fn settings_that_would_not_do_are_refused_with_their_cure() {
    let on = "homelab.upgrade.enable = true;";
    let settings = [
        ("AutoUpgrade", format!("{on} system.autoUpgrade.enable = true;")),
        ("NoGuard", format!("{on} homelab.deploy.guard.enable = false;")),
        ("KeyName", format!("{on} homelab.users.deploy.keys.upgrade = \"ssh-ed25519 U\";")),
        ("NoJob", format!("{on} homelab.upgrade.source = \"hydra\";")),
        (
            "PlainJob",
            format!("{on} homelab.upgrade = {{ source = \"hydra\"; hydraJob = \"http://hydra/job/a/b/c\"; }};"),
        ),
        ("PlainUrl", format!("{on} homelab.upgrade.url = \"http://elsewhere/Niko.json\";")),
        ("Itself", format!("{on} homelab.upgrade.canaries = [ \"Itself\" ];")),
        ("Unknown", format!("{on} homelab.upgrade.canaries = [ \"Nobody\" \"NoGuard\" ];")),
    ];
    let hosts: Vec<(&str, String)> = settings
        .iter()
        .map(|(name, settings)| (*name, host(settings)))
        .collect();
    let Some(seen) = seen(&hosts) else { return };
    let mut text = String::new();
    for (name, host) in seen.as_object().unwrap() {
        for message in host["refused"].as_array().unwrap() {
            writeln!(text, "{name}: {}", message.as_str().unwrap().trim()).unwrap();
        }
    }
    insta::assert_snapshot!(text);
}
