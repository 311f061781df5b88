//! What became of each host: the report's types, which are also its JSON (docs/json/build-all.schema.json).

use serde::{Deserialize, Serialize};

use crate::evaluate::apply::Profile;
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

/// The whole report. Seconds are wall time; sizes are bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    pub flake: String,
    /// The commit that was built, or that the working tree is based on.
    pub revision: Option<String>,
    /// The working tree differs from that commit.
    pub dirty: bool,
    /// The commit that the hosts were compared with.
    pub changed_since: Option<String>,
    pub seconds: f64,
    pub evaluation: Evaluation,
    pub hosts: Vec<Host>,
}

/// How the evaluation as a whole went.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Evaluation {
    /// Hosts evaluated in this run; the others were known.
    pub evaluated: usize,
    /// Hosts of the commit compared with that were evaluated besides.
    pub evaluated_before: usize,
    /// Worker processes at the same time, at most.
    pub workers: usize,
    pub budget_bytes: u64,
    /// The most memory that all workers together had resident.
    pub peak_bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Built or fetched in this run.
    Built,
    /// The closure was there already.
    AlreadyBuilt,
    /// Evaluated; nothing here builds for its system.
    EvaluatedOnly,
    EvaluationFailed,
    BuildFailed,
}

impl Outcome {
    pub fn is_built(self) -> bool {
        matches!(self, Self::Built | Self::AlreadyBuilt)
    }

    /// In the words of tables and lines.
    pub fn words(self) -> &'static str {
        match self {
            Self::Built => "built",
            Self::AlreadyBuilt => "already built",
            Self::EvaluatedOnly => "evaluated only",
            Self::EvaluationFailed => "evaluation failed",
            Self::BuildFailed => "build failed",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    pub host: HostName,
    pub outcome: Outcome,
    /// None if the evaluation failed.
    pub system: Option<String>,
    pub toplevel: Option<StorePath>,
    pub derivation: Option<StorePath>,
    /// What deploy-rs copies, if that was wanted and the evaluation said it.
    #[serde(skip)]
    pub profile: Option<Profile>,
    /// None if an earlier evaluation still holds.
    pub evaluation_seconds: Option<f64>,
    /// None if nothing was to be built or fetched.
    pub build_seconds: Option<f64>,
    /// A path that several hosts need counts for the first of them.
    pub paths_built: usize,
    pub paths_fetched: usize,
    pub closure_size: Option<u64>,
    pub error: Option<Error>,
    /// There if the hosts were compared with another commit.
    pub change: Option<Change>,
}

/// Why a host is not built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    pub message: String,
    /// The derivation that failed.
    pub derivation: Option<StorePath>,
    /// The last lines of its log.
    pub log: Vec<String>,
    pub next_step: Option<String>,
}

impl Error {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            derivation: None,
            log: Vec::new(),
            next_step: None,
        }
    }
}

/// How a host's closure differs from that of another commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// None if the host was not there, or not built there.
    pub before: Option<StorePath>,
    /// None if the host was there and could not be built.
    pub changed: Option<bool>,
    /// The closure diff in short.
    pub summary: String,
    /// Kernel, initrd, kernel modules or kernel parameters differ.
    pub reboot_needed: bool,
}

impl Change {
    /// The host has nothing to be compared with.
    pub fn new() -> Self {
        Self {
            before: None,
            changed: Some(true),
            summary: String::new(),
            reboot_needed: false,
        }
    }

    /// The host was there, but there is no closure to compare with.
    pub fn unknown() -> Self {
        Self {
            changed: None,
            summary: "not built at that revision".to_owned(),
            ..Self::new()
        }
    }

    /// The closure is the same.
    pub fn none(before: StorePath) -> Self {
        Self {
            before: Some(before),
            changed: Some(false),
            summary: String::new(),
            reboot_needed: false,
        }
    }
}

impl Report {
    /// Hosts with a closure in the store.
    pub fn built(&self) -> usize {
        self.count(Outcome::is_built)
    }

    pub fn count(&self, which: impl Fn(Outcome) -> bool) -> usize {
        self.hosts.iter().filter(|host| which(host.outcome)).count()
    }
}

impl Host {
    /// A host of which no more is known than what became of it.
    pub fn new(host: HostName, outcome: Outcome) -> Self {
        Self {
            host,
            outcome,
            system: None,
            toplevel: None,
            derivation: None,
            profile: None,
            evaluation_seconds: None,
            build_seconds: None,
            paths_built: 0,
            paths_fetched: 0,
            closure_size: None,
            error: None,
            change: None,
        }
    }

    /// What became of it, in a line.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if let Some(seconds) = self.evaluation_seconds {
            parts.push(format!("evaluated in {seconds:.2} s"));
        }
        let mut built = self.outcome.words().to_owned();
        if let (Outcome::Built, Some(seconds)) = (self.outcome, self.build_seconds) {
            let paths = match (self.paths_built, self.paths_fetched) {
                (built, 0) => format!("{built} built"),
                (0, fetched) => format!("{fetched} fetched"),
                (built, fetched) => format!("{built} built, {fetched} fetched"),
            };
            built = format!("{built} in {seconds:.1} s ({paths})");
        }
        parts.push(built);
        parts.join(", ")
    }
}
