//! What is played: every name resolved, every default filled in, every state an enum.
//! Serialised, a `Play` is the normal form that all players must arrive at.

use std::collections::BTreeMap;

use serde::Serialize;

use super::condition::{Disk, Fact, Network, Place, Point};

/// One run of a scenario with its own machines and its own verdict: the scenario, a cell of it, or a control.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Play {
    /// `SCENARIO[-CELL][-control-N]`.
    pub name: String,
    pub scenario: String,
    pub cell: Option<String>,
    /// Such a play must fail, and at a certain step.
    pub control: Option<Control>,
    pub title: String,
    pub proves: String,
    pub machines: BTreeMap<String, Machine>,
    pub steps: Vec<Step>,
    /// The file as the reader named it.
    #[serde(skip)]
    pub file: String,
}

/// A changed play that must fail at `fails_at`. Steps to leave out are gone from the play already; `swap` is the
/// player's to apply: wherever a closure of the generation on the left is meant, it takes the one on the right.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Control {
    /// Counted from 1.
    pub number: usize,
    pub title: String,
    pub leave_out: Vec<String>,
    pub swap: BTreeMap<String, String>,
    /// A step as `Step::is_named` knows it.
    pub fails_at: String,
}

/// A machine besides the controller, which is always there.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Machine {
    Host(HostMachine),
    /// A plain machine without any configuration of the fleet: it has no generations.
    Helper,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostMachine {
    /// The host of the fleet whose configuration it has.
    pub host: String,
    /// Never empty; the first one is installed and booted.
    pub generations: Vec<String>,
    /// Whose closures lie in its store from the start, besides the first generation's.
    pub in_store: Vec<GenerationOf>,
}

/// A generation of a certain machine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GenerationOf {
    pub machine: String,
    pub generation: String,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Step {
    /// As written; `OUTER: INNER` for a step of a block; `VERB VALUE` where a block's step has no name.
    pub name: String,
    /// Seconds of guest time.
    pub within: u64,
    /// The step must fail, and its failure must contain this.
    pub fails: Option<String>,
    pub verb: Verb,
    /// Where the step stands in its file.
    #[serde(skip)]
    pub line: usize,
    /// The step as it stands in its file.
    #[serde(skip)]
    pub written: String,
}

impl Step {
    /// Whether the scenario means this step when it says `name`: a step of a block goes by the block's step, too.
    pub fn is_named(&self, name: &str) -> bool {
        match self.name.strip_prefix(name) {
            Some(rest) => rest.is_empty() || rest.starts_with(": "),
            None => false,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    Run(Box<Run>),
    Wait(Point),
    /// By machine, what it must be; all of it at one time.
    State(BTreeMap<String, Vec<Fact>>),
    Reboot(String),
    PowerCut(String),
    PowerOn(String),
    Freeze(String),
    Thaw(String),
    Network {
        on: String,
        condition: Network,
    },
    Disk {
        on: String,
        at: String,
        condition: Disk,
    },
    Clock {
        on: String,
        /// Forward; negative: back.
        seconds: i64,
    },
    Kill {
        on: Place,
        /// As for `pkill -f`.
        pattern: String,
        /// Without `SIG`.
        signal: String,
    },
}

/// Seconds; whoever says more has mistyped something, and no clock can take all that a number can say.
pub const LONGEST: u64 = 24 * 60 * 60;

/// The machines that are no hosts and have an address all the same.
pub const HELPERS: [&str; 3] = ["attacker", "builder", "client"];

/// The generation that is the host's configuration with nothing added.
pub const AS_CONFIGURED: &str = "as-configured";

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// For `sh -c`.
    pub command: String,
    pub by: RunBy,
    pub expect: Expect,
    pub during: Option<During>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunBy {
    Controller,
    User { machine: String, user: String },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Expect {
    pub exit: Exit,
    /// Texts that stdout and stderr together contain.
    pub output: Vec<String>,
    pub output_lacks: Vec<String>,
    /// All of stdout, without a last end of line.
    pub stdout: Option<String>,
    /// By JSON pointer, what stdout has there.
    pub json: BTreeMap<String, serde_json::Value>,
    /// By machine, what became of its units while the command ran.
    pub units: BTreeMap<String, Units>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// One of these.
    Codes(Vec<u8>),
    /// Any but 0.
    Failure,
    Any,
}

impl Exit {
    /// `code` is None for a command that a signal ended: that is neither success nor a failure of its own.
    pub fn accepts(&self, code: Option<i32>) -> bool {
        match (self, code) {
            (Self::Any, _) => true,
            (_, None) => false,
            (Self::Failure, Some(code)) => code != 0,
            (Self::Codes(codes), Some(code)) => {
                codes.iter().any(|wanted| i32::from(*wanted) == code)
            }
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Units {
    pub restarted: Vec<String>,
    pub reloaded: Vec<String>,
    pub started: Vec<String>,
    pub stopped: Vec<String>,
    pub untouched: Vec<String>,
}

/// What is done while a command runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct During {
    pub when: Point,
    /// Must not have been reached when the first fault of `then` took effect.
    pub before: Option<Point>,
    /// No step in here has a `during` of its own.
    pub then: Vec<Step>,
}
