//! Runs over a fleet of three hosts, without Nix: what is evaluated again, and what is not.

use super::*;
use crate::evaluate::apply::Toplevel;
use crate::fleet::stage::Stage;

type Files<'a> = BTreeMap<&'a str, &'a str>;

/// Hosts A, B and C; `site.nix` is shared.
fn files<'a>() -> Files<'a> {
    [
        "flake.nix",
        "hosts/A/x.nix",
        "hosts/B/x.nix",
        "hosts/C/x.nix",
        "site.nix",
    ]
    .map(|path| (path, "1"))
    .into()
}

fn with<'a>(path: &'a str, content: &'a str) -> Files<'a> {
    let mut files = files();
    files.insert(path, content);
    files
}

fn source(files: &Files) -> Source {
    let owned = |(path, content): (&&str, &&str)| ((*path).to_owned(), (*content).to_owned());
    Source::of_files(files.iter().map(owned).collect()).reading_all()
}

fn names(hosts: &[&str]) -> Vec<HostName> {
    hosts.iter().map(|host| HostName::known(*host)).collect()
}

fn overview(hermetic: bool) -> Overview {
    Overview {
        hosts: names(&["A", "B", "C"]),
        declared: true,
        stage: Some(Stage::Rehearsal),
        hosts_dir: Some("hosts".to_owned()),
        hermetic,
    }
}

fn path(name: &str) -> StorePath {
    StorePath::parse(&format!("{}-{name}", "0".repeat(32))).unwrap()
}

fn entry(host: &HostName, wave: u32) -> Host {
    let text = format!(r#"{{"name":"{host}","system":"x86_64-linux","wave":{wave}}}"#);
    serde_json::from_str(&text).unwrap()
}

fn evaluation(host: &HostName, version: &str, wave: u32) -> HostEvaluation {
    HostEvaluation {
        host: host.clone(),
        inventory: Some(entry(host, wave)),
        profile: None,
        toplevel: Some(Toplevel {
            drv: path(&format!("{host}-{version}.drv")),
            out: path(&format!("{host}-{version}")),
        }),
    }
}

struct Outcome {
    evaluated: Vec<HostName>,
    kept: Kept,
}

/// A run over `wanted` hosts in which whatever is asked for evaluates, with this wave for A.
fn run(before: Option<&Kept>, files: &Files, wanted: &[&str], wave: u32) -> Outcome {
    run_with(before, files, wanted, wave, true)
}

fn run_with(
    before: Option<&Kept>,
    files: &Files,
    wanted: &[&str],
    wave: u32,
    hermetic: bool,
) -> Outcome {
    let wanted = names(wanted);
    let overview = overview(hermetic);
    let mut reuse = Reuse::plan(
        source(files),
        overview,
        before.cloned(),
        &wanted,
        &BTreeMap::new(),
    );
    let mut evaluated = BTreeMap::new();
    let mut evaluate = |host: &HostName| {
        let wave = if host.as_str() == "A" { wave } else { 0 };
        let version = format!("{:?}", files.values().collect::<Vec<_>>());
        let version: String = version
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect();
        evaluated.insert(host.clone(), evaluation(host, &version, wave));
    };
    for host in wanted.iter().filter(|host| !reuse.holds(host)) {
        evaluate(host);
    }
    let entries = |evaluated: &BTreeMap<HostName, HostEvaluation>| {
        let all = evaluated.values();
        all.filter_map(|it| Some((it.host.clone(), it.inventory.clone()?)))
            .collect()
    };
    let mut more = Vec::new();
    let known: BTreeMap<HostName, Host> = entries(&evaluated);
    assert_eq!(reuse.missing_entries(&known), Vec::new());
    for (host, known) in reuse.settle(&known) {
        if known.is_none() {
            more.push(host);
        }
    }
    let mut evaluate = |host: &HostName| {
        let wave = if host.as_str() == "A" { wave } else { 0 };
        evaluated.insert(host.clone(), evaluation(host, "again", wave));
    };
    more.iter().for_each(&mut evaluate);
    let known = entries(&evaluated);
    let sizes = evaluated
        .values()
        .filter_map(|it| Some((it.toplevel.clone()?.out, 7)))
        .collect();
    Outcome {
        kept: reuse.keep(&evaluated, &known, &sizes),
        evaluated: evaluated.into_keys().collect(),
    }
}

const ALL: [&str; 3] = ["A", "B", "C"];

#[test]
fn an_unchanged_tree_needs_nothing() {
    let first = run(None, &files(), &ALL, 0);
    assert_eq!(first.evaluated, names(&ALL));
    let second = run(Some(&first.kept), &files(), &ALL, 0);
    assert_eq!(second.evaluated, names(&[]));
    assert_eq!(second.kept, first.kept);
}

#[test]
fn a_changed_folder_needs_its_host_alone() {
    let first = run(None, &files(), &ALL, 0);
    let changed = with("hosts/A/x.nix", "2");
    let second = run(Some(&first.kept), &changed, &ALL, 0);
    assert_eq!(second.evaluated, names(&["A"]));
    assert_eq!(
        run(Some(&second.kept), &changed, &ALL, 0).evaluated,
        names(&[])
    );
    // And back again.
    assert_eq!(
        run(Some(&second.kept), &files(), &ALL, 0).evaluated,
        names(&[])
    );
}

#[test]
fn a_changed_entry_needs_every_host_that_may_read_it() {
    let first = run(None, &files(), &ALL, 0);
    let second = run(Some(&first.kept), &with("hosts/A/x.nix", "2"), &ALL, 5);
    assert_eq!(second.evaluated, names(&ALL));
}

#[test]
fn shared_files_new_and_removed_hosts_need_every_host() {
    let first = run(None, &files(), &ALL, 0);
    let mut removed = files();
    removed.remove("hosts/C/x.nix");
    for changed in [with("site.nix", "2"), with("hosts/D/x.nix", "1"), removed] {
        let source = source(&changed);
        assert!(!first.kept.overview_holds(&source));
        let second = run(Some(&first.kept), &changed, &ALL, 0);
        assert_eq!(second.evaluated, names(&ALL), "{changed:?}");
    }
    assert!(first
        .kept
        .overview_holds(&source(&with("hosts/A/x.nix", "2"))));
}

#[test]
fn a_fleet_whose_hosts_may_read_anything_is_known_as_a_whole_only() {
    let first = run_with(None, &files(), &ALL, 0, false);
    let same = run_with(Some(&first.kept), &files(), &ALL, 0, false);
    assert_eq!(same.evaluated, names(&[]));
    let changed = with("hosts/A/x.nix", "2");
    let second = run_with(Some(&first.kept), &changed, &ALL, 0, false);
    assert_eq!(second.evaluated, names(&ALL));
}

#[test]
fn a_changed_host_that_was_not_asked_for_is_not_trusted() {
    let first = run(None, &files(), &ALL, 0);
    let changed = with("hosts/A/x.nix", "2");
    let second = run(Some(&first.kept), &changed, &["B"], 0);
    assert_eq!(second.evaluated, names(&["B"]));
}

#[test]
fn hosts_come_one_by_one() {
    let one = run(None, &files(), &["B"], 0);
    assert_eq!(
        run(Some(&one.kept), &files(), &["B"], 0).evaluated,
        names(&[])
    );
    let all = run(Some(&one.kept), &files(), &ALL, 0);
    assert_eq!(all.evaluated, names(&["A", "C"]));
    let changed = run(Some(&all.kept), &with("hosts/C/x.nix", "2"), &ALL, 0);
    assert_eq!(changed.evaluated, names(&["C"]));
}

#[test]
fn a_host_whose_derivation_was_collected_is_evaluated_again() {
    let first = run(None, &files(), &ALL, 0);
    let plan = || {
        let wanted = names(&ALL);
        Reuse::plan(
            source(&files()),
            overview(true),
            Some(first.kept.clone()),
            &wanted,
            &BTreeMap::new(),
        )
    };
    let outs: BTreeSet<StorePath> = plan().outputs().into_iter().cloned().collect();
    let (a, b) = (HostName::known("A"), HostName::known("B"));

    let mut all_there = plan();
    all_there.forget_collected(&outs, |_| false);
    assert!(all_there.holds(&a) && all_there.closure_size(&a) == Some(7));

    let mut without_a = outs.clone();
    without_a.retain(|path| !path.name().starts_with("A-"));
    let mut to_build = plan();
    to_build.forget_collected(&without_a, |_| true);
    assert!(to_build.holds(&a) && to_build.closure_size(&a).is_none());
    let mut to_evaluate = plan();
    to_evaluate.forget_collected(&without_a, |_| false);
    assert!(!to_evaluate.holds(&a) && to_evaluate.holds(&b));
}

#[test]
fn an_entry_that_is_missing_is_asked_for() {
    let first = run(None, &files(), &ALL, 0);
    let changed = source(&with("hosts/A/x.nix", "2"));
    let wanted = names(&ALL);
    let mut reuse = Reuse::plan(
        changed,
        overview(true),
        Some(first.kept),
        &wanted,
        &BTreeMap::new(),
    );
    let a = HostName::known("A");
    // Its toplevel failed; its entry alone is had, and is what it was.
    let missing = reuse.missing_entries(&BTreeMap::new());
    assert_eq!(missing, std::slice::from_ref(&a));
    let entries = [(a.clone(), entry(&a, 0))].into();
    let settled = reuse.settle(&entries);
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|(_, known)| known.is_some()));
}
