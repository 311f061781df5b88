//! The tables of a scenario file as they are written. The editors' schema and the reference in docs/scenarios.md are
//! made from these types: what stands here as a comment stands there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::spot::Spot;
use super::words::{DiskWord, Each, ExitTable, NetworkWord, WordOr};

/// A name, and where it was written.
pub type Word = Spot<String>;
/// A point, or the name of one in `[points.NAME]`.
pub type PointHere = Spot<WordOr<String, PointTable>>;

/// # A scenario
///
/// The file `tests/scenarios/NAME.toml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ScenarioTable {
    /// One line: what happens.
    pub title: Word,
    /// What is proved, in plain sentences.
    pub proves: Word,
    /// Makes a matrix: each row is a cell, played with machines of its own, and `{{key}}` in the file's strings is the
    /// row's value of that key. `"hosts"`: a cell for every host of the fleet, which is `{{host}}`.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "each.rs reads it from the tree, before there are tables"
    )]
    pub each: Option<Each>,
    /// The machines by name, besides the controller.
    #[serde(default)]
    pub machines: BTreeMap<Word, MachineTable>,
    /// What is done and seen, in this order.
    pub steps: Vec<Spot<StepTable>>,
    /// Points that have a name, for steps that wait for the same thing.
    #[serde(default)]
    pub points: BTreeMap<Word, Spot<PointTable>>,
    /// Lists of steps that have a name, for `play`.
    #[serde(default)]
    pub blocks: BTreeMap<Word, Vec<Spot<StepTable>>>,
    /// Plays that must fail, so that the scenario cannot pass for a wrong reason.
    #[serde(default)]
    pub controls: Vec<Spot<ControlTable>>,
}

/// # A machine
///
/// The table `[machines.NAME]`: a host of the fleet, or a helper.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct MachineTable {
    /// The host of the fleet whose configuration it has; by default the one that is called like the machine.
    pub host: Option<Word>,
    /// `true`: a plain machine with no configuration of the fleet and no generations, such as a builder, an attacker or a
    /// client.
    #[serde(default)]
    pub helper: bool,
    /// The first one is installed and booted; by default `["as-configured"]`, the host with nothing added. Any other is
    /// the host and `tests/scenarios/SCENARIO/GENERATION.nix`, or else `tests/generations/GENERATION.nix`.
    pub generations: Option<Vec<Word>>,
    /// Generations, or `MACHINE.GENERATION` of another machine, that lie in its store from the start. Everything else
    /// arrives by deployment.
    #[serde(default)]
    pub in_store: Vec<Word>,
}

/// # A step
///
/// An entry of `[[steps]]`, of a block, or of `then`. It has exactly one verb.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(transform = super::schema::one_verb)]
pub struct StepTable {
    /// What is done or seen, as a sentence; no two steps have the same. Only steps of blocks and of `then` may do without.
    pub name: Option<Word>,
    /// Where: a machine or `controller`. By default the controller for `run` and `kill`, for everything else the only
    /// machine; where there are several, it must be said.
    pub on: Option<Word>,
    /// Seconds of guest time until the step has failed, at most a day. By default 30 for `wait`, 5 for `state`, 300 for
    /// `reboot` and `disk`, 200 for `power-on`, 60 for everything else.
    pub within: Option<Spot<u64>>,
    /// The step must fail, and its failure must contain this text.
    pub fails: Option<Word>,

    /// Verb. A command for `sh -c`, with `expect` and `during`.
    pub run: Option<Word>,
    /// Who runs it on a machine; by default root.
    pub user: Option<Word>,
    /// What must come of the command; by default that it exits with 0.
    pub expect: Option<Spot<ExpectTable>>,
    /// What is done while the command runs.
    pub during: Option<Spot<DuringTable>>,

    /// Verb. Waits until a point is reached: one that is written here, or the name of one.
    pub wait: Option<PointHere>,
    /// Verb. By machine, what it is; asked until all of it holds at one time.
    pub state: Option<Spot<BTreeMap<Word, Spot<StateTable>>>>,

    /// Verb. The machine restarts as its system wants it to, and is up again: systemd says `running` or `degraded`.
    pub reboot: Option<Word>,
    /// Verb. The machine loses power and stays off.
    pub power_cut: Option<Word>,
    /// Verb. The machine gets power, boots what firmware and boot loader choose, and is up again.
    pub power_on: Option<Word>,
    /// Verb. The machine's CPUs stop, its clock too.
    pub freeze: Option<Word>,
    /// Verb. A frozen machine goes on.
    pub thaw: Option<Word>,

    /// Verb. What becomes of all cables of the machine. It can still be asked what it runs: that needs no network.
    pub network: Option<Spot<WordOr<NetworkWord, NetworkTable>>>,
    /// Verb. What becomes of a file system of the machine.
    pub disk: Option<DiskWord>,
    /// The file system that `disk` means; by default `/`.
    pub at: Option<Word>,
    /// Verb. Moves the machine's clock by seconds: forward, or back if negative.
    pub clock: Option<Spot<i64>>,
    /// Verb. Sends a signal to the processes whose command line has this pattern, as `pkill -f` does; it is a failure if
    /// there are none. On the controller only processes that the play has started.
    pub kill: Option<Word>,
    /// The signal that `kill` sends; by default `KILL`.
    pub signal: Option<Word>,

    /// Verb. Plays the steps of `[[blocks.NAME]]` here.
    pub play: Option<Word>,
}

/// # Expect
///
/// The table `expect` of a step with `run`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExpectTable {
    /// The exit code, a list of those allowed, `"failure"` (any but 0) or `"any"`. A command that dies of a signal is only
    /// accepted by `"any"`.
    pub exit: Option<Spot<ExitTable>>,
    /// Texts that stdout and stderr together have.
    #[serde(default)]
    pub output: Vec<String>,
    /// Texts that they do not have.
    #[serde(default)]
    pub output_lacks: Vec<String>,
    /// All of stdout, but for the end of its last line.
    pub stdout: Option<String>,
    /// By JSON pointer (`/a/0`), what stdout has there.
    #[serde(default)]
    pub json: BTreeMap<Word, serde_json::Value>,
    /// By machine, what became of its units between the command's begin and its end.
    #[serde(default)]
    pub units: BTreeMap<Word, UnitsTable>,
}

/// # Units
///
/// The table `expect.units.MACHINE`, each key a list of units. Units that are not named are not looked at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct UnitsTable {
    /// Were active, are active, and were started anew.
    pub restarted: Option<Vec<String>>,
    /// Were told to read their configuration again, and were not started anew.
    pub reloaded: Option<Vec<String>>,
    /// Were not active and are now.
    pub started: Option<Vec<String>>,
    /// Were active and are no longer.
    pub stopped: Option<Vec<String>>,
    /// None of the above. A unit that does not exist is not left alone, unless another step says that it is started,
    /// stopped or the like.
    pub untouched: Option<Vec<String>>,
}

/// # During
///
/// The table `during` of a step with `run`. A command that ends before `when` is reached is a failure.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DuringTable {
    /// The point at which `then` is played.
    pub when: PointHere,
    /// A point that must not have been reached when the first fault of `then` took effect (without a fault, its last
    /// step): else it fell outside of its phase, and the step fails. Both times are in the transcript.
    pub before: Option<PointHere>,
    /// The steps to play meanwhile. They have no `during`.
    pub then: Vec<Spot<StepTable>>,
}

/// # A point
///
/// Something that is reached sooner or later: exactly one of the keys besides `on`. Only `unit` may stand beside
/// `journal`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PointTable {
    /// Where: a machine, or `controller` for `port`, `file`, `no-file`, `http` and `process`. By default what the step with
    /// `wait` says, else the only machine.
    pub on: Option<Word>,
    /// A unit that is active. Beside `journal`: the unit whose lines are meant.
    pub unit: Option<String>,
    /// A TCP port on which something listens.
    pub port: Option<Spot<u16>>,
    /// A file that is there; `*` and `?` stand for anything.
    pub file: Option<String>,
    /// A file that is not there; `*` and `?` stand for anything.
    pub no_file: Option<String>,
    /// A text in a line of the journal: of this boot, or in `during` since the step began.
    pub journal: Option<String>,
    /// An answer to a request that is made on the machine itself.
    pub http: Option<HttpTable>,
    /// A process whose command line has this pattern, as for `pgrep -f`.
    pub process: Option<String>,
    /// A generation that runs.
    pub running: Option<Word>,
    /// A generation that the system profile leads to.
    pub profile: Option<Word>,
    /// A generation that the boot loader would start.
    pub boot_default: Option<Word>,
    /// A text that the running command has printed. Only in `during`.
    pub output: Option<String>,
    /// Seconds of guest time since the command began. Only in `during`.
    pub after: Option<Spot<f64>>,
}

/// # HTTP
///
/// The table `http` of a point.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct HttpTable {
    /// What is asked for, with GET.
    pub url: String,
    /// The status of the answer; by default 200.
    pub status: Option<u16>,
    /// A text in the answer's body.
    pub text: Option<String>,
}

/// # State
///
/// The table `state.MACHINE`, each key optional. The generations are the machine's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct StateTable {
    /// The generation that runs (`/run/current-system`).
    pub running: Option<Word>,
    /// The generation that was booted (`/run/booted-system`).
    pub booted: Option<Word>,
    /// The generation that the boot loader would start now.
    pub boot_default: Option<Word>,
    /// The generation that the system profile leads to.
    pub profile: Option<Word>,
    /// Whether ssh answers over the machines' network.
    pub reachable: Option<bool>,
    /// The units that have failed: these and no others.
    pub failed_units: Option<Vec<String>>,
}

/// # Network
///
/// The table `network` of a step, in place of a word.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NetworkTable {
    /// How much later each frame arrives, each way, in milliseconds.
    #[serde(default)]
    pub delay_ms: u64,
    /// The share of frames that are lost, from 0 to 1.
    #[serde(default)]
    pub loss: f64,
    /// How many bytes pass in a second; by default as many as come.
    pub bytes_per_second: Option<u64>,
}

/// # A control
///
/// An entry of `[[controls]]`: the scenario is played again, so changed, and must fail at a certain step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ControlTable {
    /// What is different, in one line.
    pub title: Word,
    /// Steps that are not played.
    #[serde(default)]
    pub leave_out: Vec<Word>,
    /// Generations that are other ones in truth: the name on the left stands for the closure of the one on the right.
    #[serde(default)]
    pub swap: BTreeMap<Word, Word>,
    /// The step that must fail; every one before it must pass.
    pub fails_at: Word,
    /// In a matrix, the cell that is so played; by default the first.
    pub cell: Option<Word>,
}
