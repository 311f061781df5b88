//! act: its arguments, and the JSON lines that it prints.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::Deserialize;

use crate::process::Command;

/// What one run of act is about.
#[derive(Debug)]
pub struct Run<'a> {
    pub program: &'a Path,
    pub event: &'a str,
    /// The document of the event: without it act takes any ref at the last commit.
    pub event_file: &'a Path,
    /// One file: of several, act merges the stages.
    pub workflow: &'a Path,
    pub job: Option<&'a str>,
    /// Whose jobs run on this machine itself.
    pub labels: &'a [String],
    pub secrets: &'a Path,
    pub vars: &'a Path,
    /// The forge's name, which addresses are made of.
    pub instance: &'a str,
    pub checkout: &'a Path,
}

/// Runs a workflow on this machine itself, without containers, and prints a JSON document a line. The environment is
/// bare: act hands all of it to the jobs.
pub fn command(run: &Run) -> Command {
    // What act would load by itself from the folder.
    const NOTHING: [&str; 4] = ["--env-file", "/dev/null", "--input-file", "/dev/null"];
    let mut command = Command::new(run.program)
        .bare_environment()
        .current_dir(run.checkout)
        .arg(run.event)
        .arg("--workflows")
        .arg(run.workflow)
        .arg("--eventpath")
        .arg(run.event_file);
    if let Some(job) = run.job {
        command = command.args(["--job", job]);
    }
    for label in run.labels {
        command = command
            .arg("--platform")
            .arg(format!("{label}=-self-hosted"));
    }
    command
        .arg("--secret-file")
        .arg(run.secrets)
        .arg("--var-file")
        .arg(run.vars)
        .args(NOTHING)
        .args(["--json", "--rm", "--no-cache-server"])
        .args(["--actor", "ci-local", "--github-instance", run.instance])
        // It ends its steps first, and removes their folders.
        .grace(Duration::from_secs(10))
}

/// A line of act's, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// `workflow/job`, padded with blanks; `caller/workflow/job` of one that is called; `-1` and so on for legs.
    #[serde(default)]
    pub job: String,
    #[serde(default, rename = "jobID")]
    pub job_id: String,
    #[serde(default)]
    pub matrix: BTreeMap<String, Value>,
    /// `Pre`, `Main` or `Post`.
    #[serde(default)]
    pub stage: String,
    /// The step's place in the job, or its id; a composite action's steps have more than one.
    #[serde(default, rename = "stepID")]
    pub step_id: Vec<String>,
    pub step_result: Option<Verdict>,
    pub job_result: Option<Verdict>,
    #[serde(default, rename = "raw_output")]
    pub raw_output: bool,
    #[serde(default)]
    pub level: String,
    /// Of a line that was one for the runner: `error`, `warning`, `set-output`.
    pub command: Option<String>,
    #[serde(default)]
    pub msg: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Success,
    Failure,
    Skipped,
    #[serde(other)]
    Other,
}

/// A value of a matrix.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
    Other(IgnoredAny),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Other(_) => f.write_str("…"),
        }
    }
}

/// None for what is no document, such as act's last word.
pub fn parse(line: &str) -> Option<Line> {
    serde_json::from_str(line).ok()
}

impl Line {
    /// act leaves a job out whose label no `--platform` names, and calls that success.
    pub fn is_unmapped(&self) -> bool {
        self.msg.contains("Skipping unsupported platform")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn act_gets_nothing_that_was_not_meant_for_it() {
        let run = Run {
            program: Path::new("/t/act"),
            event: "push",
            event_file: Path::new("/r/event.json"),
            workflow: Path::new("/r/w/build.yml"),
            job: Some("build"),
            labels: &["nix".to_owned(), "kvm".to_owned()],
            secrets: Path::new("/r/secrets"),
            vars: Path::new("/r/vars"),
            instance: "forge.invalid",
            checkout: Path::new("/r/source"),
        };
        assert_eq!(
            command(&run).line(),
            "act push --workflows /r/w/build.yml --eventpath /r/event.json --job build \
             --platform nix=-self-hosted --platform kvm=-self-hosted --secret-file /r/secrets --var-file /r/vars \
             --env-file /dev/null --input-file /dev/null --json --rm --no-cache-server \
             --actor ci-local --github-instance forge.invalid"
        );
    }

    /// Recorded from 0.2.89.
    #[test]
    fn lines_of_act_are_read() {
        let line = parse(r#"{"dryrun":false,"executionTime":6366732,"job":"call/b/inner   ","jobID":"inner","level":"info","matrix":{"host":"B","n":2},"msg":"  ❌  Failure - Main named step","stage":"Main","step":"named step","stepID":["1"],"stepResult":"failure","time":"2026-11-21T21:43:32Z"}"#).unwrap();
        assert_eq!(line.step_result, Some(Verdict::Failure));
        assert_eq!(
            (line.job_id.as_str(), line.step_id),
            ("inner", vec!["1".to_owned()])
        );
        assert_eq!(line.matrix["n"].to_string(), "2");
        assert!(parse("Error: Job 'inner' failed").is_none());
        let setup = parse(r#"{"job":"a/first","jobID":"first","level":"info","matrix":{},"msg":"⭐ Run Set up job","step":"Set up job","stepid":["--setup-job"]}"#).unwrap();
        assert!(setup.step_id.is_empty());
    }
}
