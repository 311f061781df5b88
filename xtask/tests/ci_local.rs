//! `xtask ci-local` with the real act on small repositories: what is refused before anything runs, what is skipped and
//! why, how failures are told, and that nothing is left of a run.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod processes;
mod schema;
mod support;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use fleet::{with_filters, Fleet};
use insta::assert_snapshot;
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use processes::{processes, wait_for};
use support::{skip, transcript, xtask};

/// The act of the machine or of the cache; none is a skip.
fn act() -> Option<PathBuf> {
    let provided = std::env::var_os("SLIPWAY_TEST_ACT").map(PathBuf::from);
    let found = provided.or_else(|| which::which("act").ok());
    if found.is_none() {
        skip("no act: neither SLIPWAY_TEST_ACT nor one on PATH");
    }
    found
}

struct Repository {
    fleet: Fleet,
    act: PathBuf,
}

/// A repository with these workflows; none without an act.
fn with_workflows(files: &[(&str, &str)]) -> Option<Repository> {
    let act = act()?;
    let fleet = Fleet::new(&[("README.md", "a\n")]);
    fleet.commit();
    for (name, text) in files {
        fleet.write(&format!(".forgejo/workflows/{name}"), text);
    }
    fleet.commit();
    Some(Repository { fleet, act })
}

impl Repository {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = xtask(self.fleet.cache());
        let folder = self.act.parent().unwrap().to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = std::iter::once(folder).chain(std::env::split_paths(&path));
        command
            .env("PATH", std::env::join_paths(all).unwrap())
            .env_remove("KEY")
            .args(["ci-local", "--no-setup"])
            .args(args)
            .current_dir(self.fleet.path());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let output = self.command(args).output().unwrap();
        self.assert_clean();
        output
    }

    /// Nothing of a run is left: no workspace, no process that works in one.
    fn assert_clean(&self) {
        let runs = self.fleet.cache().join("ci-local/runs");
        let left: Vec<_> = std::fs::read_dir(&runs)
            .map(|all| all.flatten().map(|it| it.path()).collect())
            .unwrap_or_default();
        assert_eq!(left, Vec::<PathBuf>::new());
        assert_eq!(processes(runs.to_str().unwrap()), Vec::<String>::new());
    }

    /// Runs, and holds the exit code and what was told against what it was to be.
    fn assert_ends(&self, args: &[&str], code: i32, name: &str) {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
        self.assert_told(name, &output);
    }

    fn assert_told(&self, name: &str, output: &Output) {
        let mut filters = self.fleet.filters();
        filters.push((
            r"logs/ci-local/\w+".to_owned(),
            "logs/ci-local/[RUN]".to_owned(),
        ));
        filters.push((r"\b\d+(\.\d+)? s\b".to_owned(), "[S] s".to_owned()));
        filters.push((r"\b\d+\.\d\d?\b".to_owned(), "[S]".to_owned()));
        filters.push((r"(\S) {2,}".to_owned(), "$1  ".to_owned()));
        filters.push(("[─═]+".to_owned(), "──".to_owned()));
        with_filters(&filters, || assert_snapshot!(name, transcript(output)));
    }
}

const GOOD: &str = "name: good
on: [push, pull_request]
jobs:
  first:
    runs-on: nix
    outputs:
      word: ${{ steps.say.outputs.word }}
    steps:
      - uses: actions/checkout@v4
      - id: say
        run: echo \"word=$(cat README.md)\" >> \"$GITHUB_OUTPUT\"
      - run: test \"$(git rev-parse HEAD)\" = \"$GITHUB_SHA\"
  second:
    needs: first
    runs-on: nix
    steps:
      - name: what came of the first
        run: test '${{ needs.first.outputs.word }}' = a
";

#[test]
fn jobs_run_in_a_checkout_of_the_commit() {
    let Some(repository) = with_workflows(&[("good.yml", GOOD)]) else {
        return;
    };
    repository.fleet.write("README.md", "changed\n");
    repository.assert_ends(&[], 0, "jobs_run_in_a_checkout_of_the_commit");
    // Of the working tree, the file that the second job asks for is another one.
    let dirty = repository.run(&["--dirty", "--json"]);
    assert_eq!(dirty.status.code(), Some(1), "{}", transcript(&dirty));
    let document = fleet::document(&dirty);
    assert_eq!(document["workflows"][0]["jobs"][0]["state"], "passed");
    assert_eq!(document["workflows"][0]["jobs"][1]["state"], "failed");
    assert_eq!(document["dirty"], true);
    assert_eq!(schema::complaints("ci-local", &document), [""; 0]);
    let mut other = document.clone();
    other["workflows"][0]["jobs"][0]["state"] = "good".into();
    other.as_object_mut().unwrap().remove("ref");
    assert_eq!(schema::complaints("ci-local", &other).len(), 2);
    let plan = fleet::document(&repository.run(&["--plan", "--json"]));
    assert_eq!(plan["plan"], true);
    assert_eq!(schema::complaints("ci-local", &plan), [""; 0]);
}

#[test]
fn jobs_see_nothing_of_the_callers_environment() {
    let text = GOOD.replace(
        "test \"$(git rev-parse HEAD)\" = \"$GITHUB_SHA\"",
        "test -z \"$MY_SECRET\" && test \"$HOME\" != \"$OLD\" && ! git push origin HEAD:x",
    );
    let Some(repository) = with_workflows(&[("good.yml", &text)]) else {
        return;
    };
    let output = repository
        .command(&[])
        .env("MY_SECRET", "x")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", transcript(&output));
}

#[test]
fn filters_that_exclude_are_told() {
    let files = [
        (
            "branches.yml",
            GOOD.replace(
                "on: [push, pull_request]",
                "on: {push: {branches: [main, 'test-*']}}",
            ),
        ),
        (
            "dispatch.yml",
            GOOD.replace("on: [push, pull_request]", "on: workflow_dispatch"),
        ),
        (
            "paths.yml",
            GOOD.replace(
                "on: [push, pull_request]",
                "on: {push: {paths: ['nix/**']}}",
            ),
        ),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (*name, text.as_str()))
        .collect();
    let Some(repository) = with_workflows(&files) else {
        return;
    };
    repository.assert_ends(&["--ref", "feature"], 0, "filters_that_exclude_are_told");
}

#[test]
fn what_is_in_the_way_is_told_before_anything_runs() {
    let mark = tempfile::tempdir().unwrap();
    let ran = mark.path().join("ran");
    let run = format!("touch {}", ran.display());
    let job = |name: &str, job: &str| (name.to_owned(), format!("on: push\njobs:\n  a: {job}\n"));
    let files = [
        job("fine.yml", &format!("{{runs-on: nix, steps: [{{run: '{run}'}}]}}")),
        job("label.yml", "{runs-on: nxi, steps: [{run: 'true'}]}"),
        job("secret.yml", "{runs-on: nix, steps: [{run: 'true', env: {K: '${{ secrets.KEY }}', V: '${{ vars.WHERE }}', D: \"${{ vars.X || 'd' }}\"}}]}"),
        job("deploy.yml", "{runs-on: nix, steps: [{run: cargo xtask deploy --yes}]}\nconcurrency: {group: d, cancel-in-progress: false}"),
        job("action.yml", "{runs-on: nix, container: debian, steps: [{uses: 'docker/login@v3'}]}"),
        job("call.yml", "{runs-on: nix, needs: [b], steps: [{run: cargo xtask biuld-all}]}"),
    ];
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let Some(repository) = with_workflows(&files) else {
        return;
    };
    let output = repository.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
    assert!(!ran.exists());
    repository.assert_told("what_is_in_the_way_is_told_before_anything_runs", &output);
    let plan = repository.run(&["--plan"]);
    assert_eq!(plan.status.code(), Some(1), "{}", transcript(&plan));
    assert!(!ran.exists());
    repository.assert_told(
        "what_is_in_the_way_is_told_before_anything_runs_plan",
        &plan,
    );
    let rehearsal = repository.run(&["--deploy", "rehearsal"]);
    repository.assert_told("rehearsing_needs_hosts", &rehearsal);
}

/// Never left out silently: whoever runs the pipeline of a push to `main` here is told what of it does not run.
#[test]
fn our_own_deployment_is_refused() {
    let file = |name: &str| {
        let path = support::repository().join(".forgejo/workflows").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let (build, deploy) = (file("build.yml"), file("deploy.yml"));
    let Some(repository) = with_workflows(&[("build.yml", &build), ("deploy.yml", &deploy)]) else {
        return;
    };
    let output = repository
        .command(&["--ref", "main", "--workflow", "deploy"])
        .env_remove("DEPLOY_SSH_KEY")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
    repository.assert_told("our_own_deployment_is_refused", &output);
    // On a branch that deploys nowhere it is skipped, and the filter is told.
    let elsewhere = repository.run(&["--ref", "feature", "--workflow", "deploy", "--plan"]);
    repository.assert_told("our_own_deployment_elsewhere", &elsewhere);
}

#[test]
fn a_secret_that_is_given_is_never_shown() {
    let text = "on: push\njobs:\n  a:\n    runs-on: nix\n    steps:\n      - run: echo \"key $KEY, $(echo $KEY | wc -l)\"; exit 1\n        env: {KEY: '${{ secrets.KEY }}'}\n";
    let Some(repository) = with_workflows(&[("a.yml", text)]) else {
        return;
    };
    let output = repository
        .command(&[])
        .env("KEY", "very-secret$1 \"x\"")
        .output()
        .unwrap();
    let told = transcript(&output);
    assert!(told.contains("key ***"), "{told}");
    assert!(!told.contains("very-secret"), "{told}");
    let logs = repository.fleet.cache().join("logs/ci-local");
    let log = std::fs::read_dir(logs)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("a.yml.a.log");
    assert!(!std::fs::read_to_string(log)
        .unwrap()
        .contains("very-secret"));
}

#[test]
fn invalid_yaml_and_unknown_names_are_told() {
    let Some(repository) = with_workflows(&[
        ("good.yml", GOOD),
        ("bad.yml", "on: push\njobs:\n  a:\n\truns-on: nix\n"),
    ]) else {
        return;
    };
    let output = repository.run(&[]);
    assert_eq!(output.status.code(), Some(2));
    repository.assert_told("invalid_yaml", &output);
    repository.fleet.write(".forgejo/workflows/bad.yml", GOOD);
    repository.fleet.commit();
    let workflow = repository.run(&["--workflow", "god"]);
    let job = repository.run(&["--workflow", "good", "--job", "secnd"]);
    repository.assert_told("unknown_workflow", &workflow);
    repository.assert_told("unknown_job", &job);
    let one = repository.run(&["--workflow", "good.yml", "--job", "first"]);
    repository.assert_told("one_job", &one);
}

/// All that it wrote is there, however much and however fast, and a last line without a line feed, too.
#[test]
fn a_failing_step_is_told_with_its_last_lines() {
    let text = "name: fails
on: push
jobs:
  a:
    runs-on: nix
    steps:
      - run: |
          seq -f 'line %.0f of many' 5000
          printf 'and why it fails'
          exit 3
      - run: echo never
  b:
    needs: a
    runs-on: nix
    steps:
      - run: echo never
";
    let Some(repository) = with_workflows(&[("fails.yml", text)]) else {
        return;
    };
    repository.assert_ends(&["--ref", "x"], 1, "a_failing_step");
}

#[test]
fn a_failing_leg_and_what_depends_on_it() {
    let text = "name: legs
on: push
jobs:
  legs:
    strategy:
      fail-fast: false
      matrix:
        host: [Niko, Web]
    runs-on: nix
    steps:
      - run: echo building ${{ matrix.host }}
      - name: build
        run: |
          echo first line
          test ${{ matrix.host }} = Niko || { echo why it fails >&2; exit 3; }
      - run: echo never on Web
  after:
    needs: legs
    runs-on: nix
    steps:
      - run: echo never
  always:
    needs: legs
    if: always()
    runs-on: nix
    steps:
      - run: echo always
";
    let Some(repository) = with_workflows(&[("legs.yml", text)]) else {
        return;
    };
    let output = repository.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    // Legs run at the same time: their lines come in any order.
    let mut sorted = output.clone();
    let mut lines: Vec<&str> = std::str::from_utf8(&output.stderr)
        .unwrap()
        .lines()
        .collect();
    let (live, rest): (Vec<&str>, Vec<&str>) = lines
        .drain(..)
        .partition(|line| line.starts_with("legs.yml: legs (") && line.ends_with(" s"));
    let mut live = live;
    live.sort_unstable();
    sorted.stderr = format!("{}\n{}\n", live.join("\n"), rest.join("\n")).into_bytes();
    repository.assert_told("a_failing_leg", &sorted);
}

#[test]
fn a_job_is_ended_when_its_time_is_over() {
    let text = "on: push
jobs:
  slow:
    runs-on: nix
    timeout-minutes: 0.02
    steps:
      - run: echo so far; setsid sleep 4711 & sleep 4711
  after:
    needs: slow
    runs-on: nix
    steps:
      - run: echo never
";
    let Some(repository) = with_workflows(&[("slow.yml", text)]) else {
        return;
    };
    let output = repository.run(&[]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    assert_eq!(processes("sleep 4711"), Vec::<String>::new());
    repository.assert_told("a_job_is_ended_when_its_time_is_over", &output);
}

#[test]
fn an_empty_matrix_is_a_skipped_job() {
    let text = "on: push
jobs:
  hosts:
    runs-on: nix
    outputs:
      matrix: ${{ steps.m.outputs.matrix }}
      hosts: ${{ steps.m.outputs.hosts }}
    steps:
      - id: m
        run: printf 'matrix={\"include\":[]}\\nhosts=0\\n' >> \"$GITHUB_OUTPUT\"
  build:
    needs: hosts
    if: needs.hosts.outputs.hosts != '0'
    strategy:
      matrix: ${{ fromJSON(needs.hosts.outputs.matrix) }}
    runs-on: ${{ matrix.runner }}
    steps:
      - run: exit 1
  report:
    needs: build
    runs-on: nix
    steps:
      - run: exit 1
";
    let Some(repository) = with_workflows(&[("empty.yml", text)]) else {
        return;
    };
    repository.assert_ends(&[], 0, "an_empty_matrix_is_a_skipped_job");
    // Without the `if` it would be one leg with nothing.
    let bare = text.replace("    if: needs.hosts.outputs.hosts != '0'\n", "");
    repository
        .fleet
        .write(".forgejo/workflows/empty.yml", &bare);
    repository.fleet.commit();
    repository.assert_ends(&[], 2, "an_empty_matrix_without_an_if");
}

#[test]
fn a_label_that_only_a_computed_matrix_has_is_no_pass() {
    let text = "on: push
jobs:
  hosts:
    runs-on: nix
    outputs:
      matrix: ${{ steps.m.outputs.matrix }}
    steps:
      - id: m
        run: echo 'matrix={\"include\":[{\"runner\":\"moon\"}]}' >> \"$GITHUB_OUTPUT\"
  build:
    needs: hosts
    if: needs.hosts.result == 'success'
    strategy:
      matrix: ${{ fromJSON(needs.hosts.outputs.matrix) }}
    runs-on: ${{ matrix.runner }}
    steps:
      - run: echo never
";
    let Some(repository) = with_workflows(&[("moon.yml", text)]) else {
        return;
    };
    repository.assert_ends(&[], 1, "a_label_that_only_a_computed_matrix_has");
}

#[test]
fn a_called_workflow_is_part_of_its_caller() {
    let called = GOOD.replace("on: [push, pull_request]", "on: workflow_call");
    let caller = "on: push
jobs:
  build:
    uses: ./.forgejo/workflows/called.yml
  after:
    needs: build
    runs-on: nix
    steps:
      - run: echo after
";
    let Some(repository) = with_workflows(&[("called.yml", &called), ("caller.yml", caller)])
    else {
        return;
    };
    repository.assert_ends(&[], 0, "a_called_workflow_is_part_of_its_caller");
}

#[test]
fn an_interrupt_leaves_no_process_and_no_workspace() {
    let text = "on: push
jobs:
  slow:
    runs-on: nix
    steps:
      - run: setsid sleep 4712 & trap '' TERM; sleep 4712
";
    let Some(repository) = with_workflows(&[("slow.yml", text)]) else {
        return;
    };
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let child = repository
            .command(&[])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for("step", || processes("sleep 4712").len() > 1);
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", transcript(&output));
        repository.assert_clean();
        assert_eq!(processes("sleep 4712"), Vec::<String>::new(), "{signal}");
        repository.assert_told("an_interrupt", &output);
    }
}
