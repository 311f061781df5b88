//! What is played: every name resolved, every default filled in, every state an enum.
//! Serialised, a `Play` is the normal form that all players must arrive at.

use std::collections::BTreeMap;

use serde::Serialize;

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

/// Where something is done or looked at; serialised as `"controller"` or the machine's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Place {
    Controller,
    Machine(String),
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        match place {
            Place::Controller => CONTROLLER.to_owned(),
            Place::Machine(name) => name,
        }
    }
}

/// The name that no machine may have.
pub const CONTROLLER: &str = "controller";

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
    /// Must not have been reached when `then` took effect.
    pub before: Option<Point>,
    /// No step in here has a `during` of its own.
    pub then: Vec<Step>,
}

/// Something that is reached sooner or later.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    Seen {
        on: Place,
        sight: Sight,
    },
    /// The running command has printed this. Only within `during`.
    Output(String),
    /// Seconds of guest time since the command began. Only within `during`.
    After(f64),
}

/// What can be looked for on a machine. The last four are never looked for on the controller, the last three only on
/// a host's machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Something listens on this TCP port.
    Port(u16),
    /// A file of this glob exists.
    File(String),
    /// No file of this glob exists.
    NoFile(String),
    Http {
        url: String,
        status: u16,
        text: Option<String>,
    },
    /// As for `pgrep -f`.
    Process(String),
    /// The unit is active.
    Unit(String),
    /// A line of this boot, or within `during` one since the step began.
    Journal {
        text: String,
        unit: Option<String>,
    },
    Running(String),
    Profile(String),
    BootDefault(String),
}

/// One thing that is true of a machine; the generations are the machine's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    Running(String),
    Booted(String),
    BootDefault(String),
    Profile(String),
    /// Whether sshd answers over the machines' network.
    Reachable(bool),
    /// Exactly these.
    FailedUnits(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Nothing passes, and the machine is not told.
    Cut,
    Restored,
    /// The carrier is gone.
    Unplugged,
    #[serde(rename_all = "kebab-case")]
    Shaped {
        /// Each way.
        delay_ms: u64,
        /// 0 to 1.
        loss: f64,
        /// None: as fast as it goes.
        bytes_per_second: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    Full,
    Freed,
    ReadOnly,
    Writable,
}
