//! What became of a local run: the document of `ci-local --json` (docs/json/ci-local.schema.json).

use std::path::PathBuf;

use serde::Serialize;

use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    /// As workflows spell it.
    pub event: &'static str,
    #[serde(rename = "ref")]
    pub reference: String,
    pub commit: String,
    /// The working tree was run, which may differ from the commit.
    pub dirty: bool,
    /// None in a repository without a flake.
    pub stage: Option<Stage>,
    /// Nothing was run: this is what would be.
    pub plan: bool,
    pub passed: bool,
    pub workflows: Vec<WorkflowReport>,
    /// Of a deployment that was rehearsed: every host that the push concerns.
    pub machines: Vec<MachineReport>,
    /// A file a job.
    pub logs: Option<PathBuf>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowReport {
    pub file: String,
    /// Of the file that act read.
    pub sha256: String,
    /// Why it does not run.
    pub skipped: Option<String>,
    pub jobs: Vec<JobReport>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobReport {
    pub job: String,
    pub state: State,
    /// Of what did not pass, or did not run.
    pub why: Option<String>,
    pub seconds: f64,
    pub steps: Vec<StepReport>,
    pub log: Option<PathBuf>,
    /// The last lines of the step that failed.
    pub last_lines: Vec<String>,
    /// What runs it again.
    pub again: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StepReport {
    pub step: String,
    pub state: State,
    pub seconds: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    Planned,
    Passed,
    Failed,
    /// A step failed that may.
    Forgiven,
    TimedOut,
    /// The workflow says that it is not to run now.
    Skipped,
    /// It should have run, and could not.
    NotRun,
    Running,
}

/// A host's machine, and what came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MachineReport {
    pub host: HostName,
    pub state: MachineState,
    /// Of what is not as it should be, or left out.
    pub why: Option<String>,
    /// What it ran before the jobs.
    pub installed: Option<StorePath>,
    /// What the commit says.
    pub wanted: Option<StorePath>,
    /// What it runs, asked over a channel that no deployment uses.
    pub running: Option<StorePath>,
    /// The commit's system had been deployed for its next boot, which it then got.
    pub rebooted: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum MachineState {
    Planned,
    /// It runs the commit's system.
    Equal,
    /// It was to be deployed, and runs what it was installed with.
    AsBefore,
    /// The same, and nobody asked for more.
    NotAsked,
    /// It booted the commit's system, which was not healthy.
    Unproved,
    Other,
    /// It does not say.
    Unknown,
    /// The host has no machine here.
    LeftOut,
}

impl MachineState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "would be started",
            Self::Equal | Self::Unproved => "runs the commit's system",
            Self::AsBefore | Self::NotAsked => "runs what it had",
            Self::Other => "runs something else",
            Self::Unknown => "does not say",
            Self::LeftOut => "left out",
        }
    }

    /// Whether a run with such a machine passes.
    pub fn is_good(self) -> bool {
        matches!(
            self,
            Self::Planned | Self::Equal | Self::NotAsked | Self::LeftOut
        )
    }
}

impl MachineReport {
    /// Without a machine that could be asked.
    pub fn of(host: &HostName, state: MachineState, why: Option<String>) -> Self {
        Self {
            host: host.clone(),
            state,
            why,
            installed: None,
            wanted: None,
            running: None,
            rebooted: false,
        }
    }
}

impl State {
    pub fn word(self) -> &'static str {
        match self {
            Self::Planned => "would run",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Forgiven => "failed, as it may,",
            Self::TimedOut => "timed out",
            Self::Skipped => "skipped",
            Self::NotRun => "not run",
            Self::Running => "cut short",
        }
    }

    /// Whether a run with such a job passes.
    pub fn is_good(self) -> bool {
        matches!(
            self,
            Self::Planned | Self::Passed | Self::Forgiven | Self::Skipped
        )
    }
}

impl JobReport {
    pub fn without_steps(job: &str, state: State, why: Option<String>) -> Self {
        Self {
            job: job.to_owned(),
            state,
            why,
            seconds: 0.0,
            steps: Vec::new(),
            log: None,
            last_lines: Vec::new(),
            again: None,
        }
    }
}

impl Report {
    pub fn judge(&mut self) {
        let mut jobs = self.workflows.iter().flat_map(|it| &it.jobs);
        let mut machines = self.machines.iter();
        self.passed = jobs.all(|job| job.state.is_good()) && machines.all(|it| it.state.is_good());
    }
}
