//! The alert rules, the dashboard and the generated configurations, held by Prometheus' own tools; and the rules fed with
//! what a collector really wrote.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod figures;
mod fleet;
mod support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use figures::{passes, tool, Generated, Host};
use guard::answer::{Cause, Outcome};
use guard::metrics::text::FAMILIES;
use guard::state::Test;
use guard::time::Time;
use serde_json::json;
use support::{nix, repository};

const RULES: &str = "modules/services/monitoring/alerts.yml";
const DASHBOARD: &str = "modules/services/monitoring/dashboards/fleet.json";
/// What rules and the dashboard ask of others than the collector.
const OTHERS: [&str; 4] = [
    "ALERTS",
    "node_systemd_unit_state",
    "node_textfile_mtime_seconds",
    "up",
];

#[test]
fn each_alert_fires_when_its_time_has_come_and_clears() {
    let Some(promtool) = tool("promtool") else {
        return;
    };
    passes(
        Command::new(promtool)
            .args(["test", "rules", "tests/monitoring/alerts.yml"])
            .current_dir(repository()),
    );
    let text = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let played = text("tests/monitoring/alerts.yml");
    let rules = text(RULES);
    let names: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .collect();
    assert_eq!(names.len(), 7);
    for name in names {
        let asked = format!("alertname: {name}\n");
        let (fires, quiet) = played
            .split(&asked)
            .skip(1)
            .map(|rest| rest.trim_start().starts_with("exp_alerts: []"))
            .fold((0, 0), |(fires, quiet), is_quiet| {
                if is_quiet {
                    (fires, quiet + 1)
                } else {
                    (fires + 1, quiet)
                }
            });
        assert!(
            fires > 0 && quiet > 0,
            "{name}: fires {fires}, quiet {quiet}"
        );
    }
}

/// The names in an expression that look like those of metrics.
fn metrics_in(expression: &str) -> BTreeSet<&str> {
    expression
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| {
            word.starts_with("nixos_")
                || word.starts_with("node_")
                || *word == "up"
                || *word == "ALERTS"
        })
        .collect()
}

fn expressions(dashboard: &serde_json::Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap().to_owned())
        .collect()
}

fn dashboard() -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(repository().join(DASHBOARD)).unwrap()).unwrap()
}

#[test]
fn rules_and_dashboard_ask_for_what_the_collector_writes() {
    let dashboard = dashboard();
    let mut asked = expressions(&dashboard);
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    asked.extend(
        variables
            .iter()
            .map(|it| it["query"]["query"].as_str().unwrap().to_owned()),
    );
    asked.push(std::fs::read_to_string(repository().join(RULES)).unwrap());
    let known: BTreeSet<&str> = FAMILIES
        .iter()
        .map(|(name, _)| *name)
        .chain(OTHERS)
        .collect();
    let asked: BTreeSet<&str> = asked.iter().flat_map(|text| metrics_in(text)).collect();
    let unknown: Vec<_> = asked.difference(&known).collect();
    assert!(unknown.is_empty(), "nobody writes {unknown:?}");
    // Some are for whoever asks Prometheus by hand.
    let unused: Vec<_> = known.difference(&asked).collect();
    assert_eq!(
        unused,
        [&"nixos_boot_generation", &"nixos_booted_generation"]
    );
}

#[test]
fn the_dashboard_s_questions_are_promql_and_its_panels_have_room() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{}", panel["title"]);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(
                    taken.insert((x, y)),
                    "{} lies on another panel",
                    panel["title"]
                );
            }
        }
        assert_eq!(panel["datasource"]["uid"], "fleet");
    }
    let Some(promtool) = tool("promtool") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("questions.yml");
    let rules: Vec<_> = expressions(&dashboard)
        .iter()
        .enumerate()
        .map(|(index, expr)| json!({ "record": format!("q{index}"), "expr": expr.replace("$host", ".*") }))
        .collect();
    let groups = json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    std::fs::write(&file, groups.to_string()).unwrap();
    passes(Command::new(promtool).args(["check", "rules"]).arg(&file));
}

/// The alerts that fire once these texts have been scraped for a time, by host.
fn alerts(promtool: &Path, hosts: &[(&str, &str)], after: &str) -> BTreeSet<(String, String)> {
    let mut series = Vec::new();
    for (host, text) in hosts {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let own = format!("host=\"{host}\",instance=\"{host}:9100\",job=\"node\"");
            let name = match name.split_once('{') {
                Some((name, labels)) => format!("{name}{{{own},{labels}"),
                None => format!("{name}{{{own}}}"),
            };
            series.push(json!({ "series": name, "values": format!("{value}x3000") }));
        }
    }
    let rules = repository().join(RULES);
    let text = std::fs::read_to_string(&rules).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    // An alert that is not expected is told by promtool, with its labels: what it says is the answer.
    let none: Vec<_> = names
        .map(|name| json!({ "eval_time": after, "alertname": name, "exp_alerts": [] }))
        .collect();
    let file = json!({
        "rule_files": [rules],
        "evaluation_interval": "5m",
        "tests": [{ "interval": "5m", "input_series": series, "alert_rule_test": none }],
    });
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fed.yml");
    std::fs::write(&path, file.to_string()).unwrap();
    let output = Command::new(promtool)
        .args(["test", "rules"])
        .arg(&path)
        .output()
        .unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let value = |labels: &str, name: &str| {
        let (_, rest) = labels.split_once(&format!("{name}=\""))?;
        Some(rest.split('"').next()?.to_owned())
    };
    let found: BTreeSet<_> = said
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Labels:{"))
        .map(|labels| {
            let host = value(labels, "host").unwrap_or_default();
            (value(labels, "alertname").unwrap(), host)
        })
        .collect();
    assert_eq!(found.is_empty(), output.status.success(), "{said}");
    found
}

/// Seconds since 1970 begin at nought where promtool plays: leases and times are moved there.
fn at_nought(text: &str) -> String {
    let now = Time::now().unix();
    let moved = |line: &str| match line.rsplit_once(' ') {
        Some((name @ "nixos_test_activation_until_seconds", value)) => {
            let left = value.parse::<u64>().unwrap().saturating_sub(now);
            format!("{name} {left}\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(moved).collect()
}

#[test]
fn what_a_collector_wrote_raises_the_alerts_that_it_should() {
    let (Some(nix), Some(promtool)) = (nix(), tool("promtool")) else {
        return;
    };
    let host = Host::new(&nix);
    let fires = |name: &str, hosts: &[(&str, &str)], after: &str| {
        alerts(&promtool, hosts, after).contains(&(name.to_owned(), "Niko".to_owned()))
    };
    let mut check = Command::new(&promtool);
    check
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped());

    // A host without a guard that runs what it booted; its cache does not answer.
    let good = host.collected();
    assert_eq!(
        alerts(&promtool, &[("Niko", &good)], "9d"),
        [("CacheDead".to_owned(), String::new())].into()
    );
    assert!(alerts(&promtool, &[("Niko", &good)], "5m").is_empty());

    host.runs("new-kernel", "new-kernel");
    let kernel = host.collected();
    assert!(
        kernel.contains("nixos_reboot_reason{reason=\"kernel\"} 1"),
        "{kernel}"
    );
    assert!(kernel.contains("nixos_current_generation 2"), "{kernel}");
    assert!(!fires("RebootPending", &[("Niko", &kernel)], "6d"));
    assert!(fires("RebootPending", &[("Niko", &kernel)], "8d"));

    // Switched to by hand, without a guard that could end it.
    host.runs("other", "good");
    let tried = at_nought(&host.collected());
    assert!(tried.contains("nixos_current_generation 0"), "{tried}");
    assert!(!fires("TestOverdue", &[("Niko", &tried)], "1h"));
    assert!(fires("TestOverdue", &[("Niko", &tried)], "2h"));

    // With a guard: a release for good, and a test that its lease has not ended.
    host.confirm("good", 7);
    host.runs("good", "good");
    host.deployed("good", Outcome::Confirmed);
    let released = host.collected();
    let late = released.replace("release_counter 7", "release_counter 6");
    assert!(!fires("DriftFromMain", &[("Niko", &released)], "2d"));
    assert!(!fires(
        "ReleaseMissed",
        &[("Niko", &released), ("Web", &released)],
        "2d"
    ));
    assert!(fires(
        "ReleaseMissed",
        &[("Niko", &late), ("Web", &released)],
        "2d"
    ));
    assert!(!fires("DeploymentFailed", &[("Niko", &released)], "5m"));
    let until = Time::now().plus(std::time::Duration::from_secs(600));
    let test = Test {
        toplevel: host.toplevels["other"].clone(),
        by: "ci".to_owned(),
        until,
        release: Some(host.release(8)),
    };
    host.store()
        .change(|state| state.test = Some(test))
        .unwrap();
    host.runs("other", "good");
    let tested = at_nought(&host.collected());
    assert!(
        tested.contains("nixos_running_release_counter 8"),
        "{tested}"
    );
    assert!(!fires("TestOverdue", &[("Niko", &tested)], "20m"));
    assert!(fires("TestOverdue", &[("Niko", &tested)], "30m"));
    assert!(fires("DriftFromMain", &[("Niko", &tested)], "2d"));

    let text = "it does not \"work\"\n".to_owned();
    host.deployed(
        "other",
        Outcome::RolledBack {
            cause: Cause::ActivationFailed,
            text,
        },
    );
    let failed = host.collected();
    assert!(fires("DeploymentFailed", &[("Niko", &failed)], "5m"));
    let mut linter = check.spawn().unwrap();
    std::io::Write::write_all(&mut linter.stdin.take().unwrap(), failed.as_bytes()).unwrap();
    // 3: it would have chosen another name; 1: it cannot be read.
    assert_ne!(linter.wait().unwrap().code(), Some(1), "{failed}");
}

#[test]
fn what_the_modules_generate_is_what_prometheus_and_alertmanager_take() {
    let (Some(nix), Some(promtool), Some(amtool)) = (nix(), tool("promtool"), tool("amtool"))
    else {
        return;
    };
    let generated = Generated::build(&nix);
    let prometheus = generated.configuration("prometheus.service");
    passes(
        Command::new(&promtool)
            .args(["check", "config"])
            .arg(&prometheus),
    );
    let alertmanager = generated.configuration("alertmanager.service");
    passes(Command::new(&amtool).arg("check-config").arg(alertmanager));

    // Every host that is deployed, with its wave, and no other.
    let text = std::fs::read_to_string(prometheus).unwrap();
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    insta::assert_json_snapshot!(read["scrape_configs"]);
}
