//! The command line as types. No I/O.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Builds, compares and checks the hosts of a NixOS fleet.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    propagate_version = true
)]
#[command(arg_required_else_help = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The fleet: a folder with a flake.nix, or any flake reference [default: this repository]
    #[arg(
        long,
        global = true,
        value_name = "REF",
        env = "SLIPWAY_FLAKE",
        hide_env_values = true
    )]
    pub flake: Option<String>,

    /// Where nixpkgs, deploy-rs and sops-nix come from
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = StageChoice::Auto,
        env = "SLIPWAY_STAGE",
        hide_env_values = true
    )]
    pub stage: StageChoice,

    /// Never install anything; say what is missing instead
    #[arg(long, global = true)]
    pub no_setup: bool,

    /// Show Nix's whole trace when an evaluation fails
    #[arg(long, global = true)]
    pub show_trace: bool,

    /// Plain lines instead of live ones, even on a terminal
    #[arg(long, global = true)]
    pub plain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum StageChoice {
    /// The locked inputs where they can be had, else the rehearsal stand-ins
    Auto,
    /// The locked inputs: what is deployed
    Nixos,
    /// The repository's own stand-ins: never deployed
    Rehearsal,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Install what this machine lacks into a private cache folder
    Setup(Setup),
    /// Say what is found, missing or too old here, and what it is for
    Doctor(Doctor),
    /// List the fleet's hosts, or add one
    Hosts(Hosts),
    /// Show the deploy-rs nodes that are made from the hosts
    Nodes(Nodes),
    /// Evaluate and build every host
    BuildAll(BuildAll),
    /// Show what changes on each host between two revisions
    Diff(Diff),
    /// Update the inputs, build every host with them, and commit that on a branch with what changes
    Update(Update),
    /// On the signer: verify a commit, build its hosts, and sign what each of them is to have; elsewhere, ask it for that
    Release(Release),
    /// Deploy a ref's hosts in waves, and say what each of them really runs afterwards
    Deploy(Deploy),
    /// Ask the hosts what they run, and say how far that is from `main`
    Status(Status),
    /// Show what the hosts' guards recorded: who deployed what, and how it ended
    History(History),
    /// Return a host to a closure that its guard recorded as good
    Rollback(Rollback),
    /// Reboot hosts through their guards, in waves, and say whether they came back healthy
    Reboot(Reboot),
    /// Run `nix flake check`, formatting and lints
    Check(Check),
    /// Run the repository's workflows on this machine, with the real act
    CiLocal(CiLocal),
    /// Show the key of the fleet's binary cache, or ask the cache for what the hosts need
    Cache(Cache),
    /// Say who can read the fleet's secrets, and encrypt them to whom the fleet says
    Secrets(Secrets),
    /// Tell a workflow which hosts to build, as its matrix
    Matrix(Matrix),
    /// Tell a pull request what changes on each host: packages, units, reboots
    Report(Report),
    /// Format the Nix files as nixfmt does
    Fmt(Fmt),
    /// Test everything that this machine can test
    Test(Test),
    /// Play scenarios on virtual machines of the fleet's hosts
    VmTest(VmTest),
    /// Start any host of the fleet as a virtual machine, to look at it
    Vm(Vm),
    /// Measure against plain Nix in the same run
    Bench(Bench),
    /// Print shell completions
    Completions(Completions),
}

#[derive(Debug, Args)]
pub struct Setup {
    /// Install only these [default: nix, deploy-rs and act]
    #[arg(value_enum)]
    pub tools: Vec<ToolChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ToolChoice {
    Nix,
    /// A second, newer Nix, for the tests that read its output
    NixNewer,
    DeployRs,
    Act,
    /// For the check of workflow files
    Actionlint,
    /// For the check of renovate.json; no other command installs it
    Renovate,
    /// QEMU, firmware and image tools, for virtual machines
    Vm,
    /// For the tests of the scenarios' interpreter in stage nixos
    Pytest,
    /// promtool and amtool, for the tests of alert rules
    Prometheus,
    /// For secrets rekey
    Sops,
}

#[derive(Debug, Args)]
pub struct Doctor {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Hosts {
    #[command(flatten)]
    pub list: HostsList,
    #[command(subcommand)]
    pub command: Option<HostsCommand>,
}

#[derive(Debug, Subcommand)]
pub enum HostsCommand {
    /// List the fleet's hosts
    List(HostsList),
    /// Write the folder of a new host; nothing else needs an edit
    Add(HostsAdd),
}

#[derive(Debug, Args)]
pub struct HostsList {
    /// The inventory as one JSON document
    #[arg(long, conflicts_with = "format")]
    pub json: bool,
    /// How to print the hosts
    #[arg(long, value_enum, default_value_t = HostsFormat::Table)]
    pub format: HostsFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HostsFormat {
    Table,
    /// The table of docs/hosts.md
    Markdown,
    /// The CI matrix: host, system and runner label
    Matrix,
}

#[derive(Debug, Args)]
pub struct HostsAdd {
    /// The new host's name
    pub name: String,
    /// Where deployments reach it: an IP address or a name
    #[arg(long)]
    pub address: String,
    /// The host whose folder is copied
    #[arg(long, value_name = "HOST", default_value = "Template")]
    pub from: String,
}

#[derive(Debug, Args)]
pub struct Nodes {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct BuildAll {
    /// Build only these hosts
    pub hosts: Vec<String>,
    /// Say what changes since this revision
    #[arg(long, value_name = "REV")]
    pub changed_since: Option<String>,
    /// Builds at the same time [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Memory that all evaluations together may take [default: half of this machine's]
    #[arg(long, value_name = "MIB", value_parser = mebibytes)]
    pub eval_memory: Option<u64>,
    /// Keep a link to each host's closure in this folder
    #[arg(long, value_name = "DIR")]
    pub out_links: Option<PathBuf>,
    /// Write the report as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Evaluate every host anew, whatever earlier runs found
    #[arg(long)]
    pub no_eval_cache: bool,
}

fn mebibytes(text: &str) -> Result<u64, String> {
    match text.parse() {
        // In bytes it is a number of its own.
        Ok(mib @ 64..=0xFFF_FFFF_FFFF) => Ok(mib),
        _ => Err("a number of MiB, at least 64".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Diff {
    /// The revision to compare with
    pub rev: String,
    /// Compare only these hosts
    pub hosts: Vec<String>,
    /// The newer revision [default: the working tree]
    #[arg(long, value_name = "REV")]
    pub to: Option<String>,
    /// One JSON document instead of tables
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// Markdown instead of tables
    #[arg(long)]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub struct Update {
    /// Update only these inputs [default: all]
    #[arg(value_name = "INPUT")]
    pub inputs: Vec<String>,
    /// The branch that is made [default: update-YYYY-MM-DD]
    #[arg(long, value_name = "NAME")]
    pub branch: Option<String>,
    /// Push the branch and keep one pull request open for it, with the token in FORGEJO_TOKEN; it merges itself where no
    /// reboot is due
    #[arg(long)]
    pub propose: bool,
    /// One JSON document instead of tables
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Release {
    /// A whole commit id, or a branch: `main` for every host, `test-HOST` for that host
    #[arg(default_value = "main")]
    pub commit: String,
    /// Ask the fleet's builder for it, over ssh, in place of making it here [default BUILDER: the only one of the fleet]
    #[arg(
        long,
        value_name = "BUILDER",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with_all = ["config", "removes_guard"]
    )]
    pub from: Option<Option<String>>,
    /// When hosts boot into it instead of switching
    #[arg(long, value_enum, default_value_t = ReleaseBoot::Auto)]
    pub boot: ReleaseBoot,
    /// The signer's own configuration [default: /etc/slipway/signer.toml]
    #[arg(
        long,
        value_name = "FILE",
        env = "SLIPWAY_SIGNER",
        hide_env_values = true
    )]
    pub config: Option<PathBuf>,
    /// This host's new configuration has no guard, and that is meant
    #[arg(long, value_name = "HOST")]
    pub removes_guard: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReleaseBoot {
    /// As the commit says: its trailer `Deploy: boot`, or nothing
    Auto,
    /// Always
    Always,
}

#[derive(Debug, Args)]
pub struct Deploy {
    /// Only these hosts
    pub hosts: Vec<String>,
    /// What to deploy: `main` goes to every host, `test-HOST` is tried on that host, anything else is only built
    /// [default: the branch that is checked out]
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// When a host boots into it instead of switching
    #[arg(long, value_enum, default_value_t = BootChoice::Auto)]
    pub boot: BootChoice,
    /// Do this with the hosts that are named, whatever the ref means
    #[arg(long, value_enum, conflicts_with_all = ["boot", "release"])]
    pub action: Option<ActionChoice>,
    /// Deploy the machine that this runs on, without ssh [default HOST: the name that it calls itself by]
    #[arg(long, conflicts_with_all = ["wave", "against"])]
    pub local: bool,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub plan: bool,
    /// Compare with this revision instead of asking the hosts what they run
    #[arg(long, value_name = "REV", requires = "plan")]
    pub against: Option<String>,
    /// Deploy what this release says, as `cargo xtask release` printed it; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reference", "boot", "lease"])]
    pub release: Option<PathBuf>,
    /// Only the hosts of this wave
    #[arg(long, value_name = "N")]
    pub wave: Option<u32>,
    /// Which hosts return to what they had when a wave fails
    #[arg(long, value_enum, default_value_t = RollbackChoice::Wave)]
    pub rollback: RollbackChoice,
    /// Go on with a deployment whose controller was killed
    #[arg(long, conflicts_with_all = ["hosts", "reference", "boot", "plan", "against", "release", "wave", "rollback", "lease", "action", "local"])]
    pub resume: bool,
    /// Do not ask before hosts are touched
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// How long a test lasts: 30m, 4h, 2d
    #[arg(long = "for", value_name = "TIME", default_value = "4h", value_parser = lease)]
    pub lease: u64,
    /// One JSON document instead of tables
    #[arg(long, conflicts_with = "markdown")]
    pub json: bool,
    /// The plan in Markdown
    #[arg(long, requires = "plan")]
    pub markdown: bool,
}

#[derive(Debug, Args)]
pub struct Status {
    /// Only these hosts
    pub hosts: Vec<String>,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
    /// Also writes one page for a browser, with the hosts' last deployments
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct History {
    /// Only these hosts
    pub hosts: Vec<String>,
    /// Entries of each host, the newest first
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// One JSON document instead of lines
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Rollback {
    /// The host that goes back
    pub host: String,
    /// The number of a generation of its system profile [default: the last that was confirmed before]
    #[arg(long, value_name = "GENERATION", value_parser = clap::value_parser!(u32).range(1..))]
    pub to: Option<u32>,
    /// Do not ask before the host is touched
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Reboot {
    /// Only these hosts, whether a reboot is due or not [default: those on which one is due]
    pub hosts: Vec<String>,
    /// Whatever `homelab.reboot.window` says
    #[arg(long)]
    pub now: bool,
    /// How long a host may take until it is up and healthy: 45s, 10m, 1h
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = patience)]
    pub within: u64,
    /// Do not ask before hosts are touched
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ActionChoice {
    Switch,
    /// In effect after the next reboot
    Boot,
    /// Until the next reboot, or for as long as --for says
    Test,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RollbackChoice {
    /// Those of that wave
    Wave,
    /// Those of the waves before it, too
    All,
    None,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum BootChoice {
    /// Where switching is inhibited, or the commit says `Deploy: boot`
    Auto,
    Always,
    Never,
}

fn lease(text: &str) -> Result<u64, String> {
    match crate::report::words::time_span(text).map(|time| time.as_secs()) {
        Some(seconds @ 60..=2_592_000) => Ok(seconds),
        _ => Err("a time such as 30m, 4h or 2d, at least a minute and at most 30 days".to_owned()),
    }
}

fn patience(text: &str) -> Result<u64, String> {
    match crate::report::words::time_span(text).map(|time| time.as_secs()) {
        Some(seconds @ 1..=86_400) => Ok(seconds),
        _ => Err("a time such as 45s, 10m or 1h, at most a day".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Check {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct CiLocal {
    /// What happened
    #[arg(long, value_enum, default_value_t = EventChoice::Push)]
    pub event: EventChoice,
    /// The branch that the commit was pushed to, or that a pull request is of [default: the one that is checked out]
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Only this workflow, by its file [default: each that the event starts]
    #[arg(long, value_name = "FILE")]
    pub workflow: Option<String>,
    /// Only this job, with those that it needs
    #[arg(long, requires = "workflow")]
    pub job: Option<String>,
    /// The working tree in place of the last commit
    #[arg(long)]
    pub dirty: bool,
    /// An input of a manual dispatch
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, String)>,
    /// Secrets, a NAME=VALUE a line [default: environment variables of their names]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// Variables, a NAME=VALUE a line [default: environment variables of their names]
    #[arg(long, value_name = "FILE")]
    pub vars: Option<PathBuf>,
    /// Where jobs that deploy do so; without it they are refused
    #[arg(long, value_enum, value_name = "WHERE")]
    pub deploy: Option<DeployTo>,
    /// Say what would run, and run nothing
    #[arg(long)]
    pub plan: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventChoice {
    Push,
    #[value(name = "pull_request")]
    PullRequest,
    Dispatch,
    Schedule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeployTo {
    /// Rehearsal machines in place of the hosts (not there yet)
    Rehearsal,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Cache {
    #[command(subcommand)]
    pub command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// Print the public keys of the fleet's builder, as hosts have them
    Key,
    /// Ask the cache for each host's closure as the host would: narinfos, signatures, a NAR
    Verify(CacheVerify),
}

#[derive(Debug, Args)]
pub struct CacheVerify {
    /// Only these hosts [default: all that use the fleet's cache]
    pub hosts: Vec<String>,
    /// Ask the hosts what they run and boot, too: what a deployment that fails returns to
    #[arg(long)]
    pub running: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Secrets {
    #[command(subcommand)]
    pub command: SecretsCommand,
}

#[derive(Debug, Subcommand)]
pub enum SecretsCommand {
    /// Say to whom each secret is encrypted, and whether to anybody else than it should be
    Check(SecretsCheck),
    /// Encrypt anew what is not encrypted to whom the fleet says
    Rekey(SecretsRekey),
}

#[derive(Debug, Args)]
pub struct SecretsCheck {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct SecretsRekey {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Matrix {
    /// Append the matrix and the number of hosts to this file, as outputs of a step
    #[arg(
        long,
        value_name = "FILE",
        env = "GITHUB_OUTPUT",
        hide_env_values = true
    )]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The revision that the hosts are taken to run
    #[arg(long, value_name = "REV", default_value = "origin/main")]
    pub against: String,
    /// Keep it as one comment on the pull request of this job, with the token in FORGEJO_TOKEN
    #[arg(long)]
    pub post: bool,
}

#[derive(Debug, Args)]
pub struct Fmt {
    /// Files and folders [default: every Nix file that git tracks]
    pub paths: Vec<PathBuf>,
    /// Change nothing; fail if a file is not formatted
    #[arg(long)]
    pub check: bool,
}

#[derive(Debug, Args)]
pub struct Test {
    /// Run only the parts with this word in their name
    pub filter: Option<String>,
    /// A skip is a failure, as it is in CI
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub no_skips: bool,
    /// Of the tests with virtual machines only the core, as in CI
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub core: bool,
}

#[derive(Debug, Args)]
pub struct VmTest {
    /// Scenarios, cells (boot-Niko), controls (NAME-control-1), or the beginning of names (boot*)
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Play every scenario
    #[arg(long, conflicts_with = "names")]
    pub all: bool,
    /// List scenarios, their machines and cells, and where each can be played
    #[arg(long, conflicts_with_all = ["check", "all", "junit", "json", "matrix"])]
    pub list: bool,
    /// Read every scenario and start nothing
    #[arg(long, conflicts_with_all = ["all", "junit", "json", "matrix"])]
    pub check: bool,
    /// Plays at the same time [default: what memory and CPUs bear]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Leave the machines of a failed play as they are, to look at them
    #[arg(long)]
    pub keep_failed: bool,
    /// Play each this often, and say how often it passed
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub repeat: u16,
    /// Boot every machine for real, without snapshots of installed machines
    #[arg(long)]
    pub cold: bool,
    /// What runs the guests' CPUs
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Write the results in the form that CI servers read, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write the report as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write the cells of all matrices that were played as Markdown tables
    #[arg(long, value_name = "FILE")]
    pub matrix: Option<PathBuf>,
    /// Multiply every time-out, beside the measured speed of this machine
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = scale)]
    pub timeout_scale: f64,
    /// Stage nixos: open the driver's shell instead of playing
    #[arg(long, conflicts_with_all = ["all", "list", "check", "junit", "json", "matrix"])]
    pub interactive: bool,
}

#[derive(Debug, Args)]
pub struct Vm {
    #[command(subcommand)]
    pub command: VmCommand,
}

#[derive(Debug, Subcommand)]
pub enum VmCommand {
    /// Start a host as a machine; it runs until it is stopped, and keeps its disk
    Start(VmStart),
    /// A shell on a machine, or one command
    Shell(VmShell),
    /// The serial console of a machine; needs none of its network
    Console(VmConsole),
    /// List the machines that run, those that are stopped, and those that failed plays left
    List(VmList),
    /// Power machines off; one that does not go is ended
    Stop(VmStop),
    /// Remove what machines left on the disk, the longest unused first
    Gc(VmGc),
    /// The process that holds a machine
    #[command(hide = true)]
    Hold,
}

#[derive(Debug, Args)]
pub struct VmStart {
    /// A host of the fleet
    pub host: String,
    /// A file of tests/generations, added to the host's configuration [default: the host as configured]
    #[arg(long, value_name = "G")]
    pub generation: Option<String>,
    /// A port of this machine that leads to one of the guest's, as 8080:80
    #[arg(long = "forward", value_name = "PORT:PORT", value_parser = forward)]
    pub forwards: Vec<Forward>,
    /// Begin with a new disk instead of the one that it had
    #[arg(long)]
    pub fresh: bool,
}

/// A port of this machine, and that of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    pub host: u16,
    pub guest: u16,
}

fn forward(text: &str) -> Result<Forward, String> {
    let ports = text.split_once(':').and_then(|(host, guest)| {
        Some(Forward {
            host: host.parse().ok().filter(|port| *port > 0)?,
            guest: guest.parse().ok().filter(|port| *port > 0)?,
        })
    });
    ports.ok_or_else(|| "two ports, as 8080:80".to_owned())
}

#[derive(Debug, Args)]
pub struct VmShell {
    /// A host that was started, or SCENARIO/MACHINE that `vm-test --keep-failed` left
    pub name: String,
    /// A command instead of a shell
    #[arg(last = true)]
    pub command: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VmConsole {
    /// A host that was started, or SCENARIO/MACHINE that `vm-test --keep-failed` left
    pub name: String,
}

#[derive(Debug, Args)]
pub struct VmList {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct VmStop {
    /// Only these machines [default: all that run]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
}

#[derive(Debug, Args)]
pub struct VmGc {
    /// What may stay
    #[arg(long, value_name = "SIZE", default_value = "20G", value_parser = size)]
    pub limit: u64,
}

/// `5G`, `500M`, `0`: bytes, in powers of 1024.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text[digits.len()..].to_ascii_uppercase();
    let shift = match unit.trim_end_matches("IB").trim_end_matches('B') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err("a size such as 5G or 500M".to_owned()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| "a size such as 5G or 500M".to_owned())
}

/// `harness::Wanted`, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    Kvm,
    Tcg,
    /// KVM if a guest runs with it, else TCG
    Auto,
}

fn scale(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(scale) if (0.1..=100.0).contains(&scale) => Ok(scale),
        _ => Err("a number from 0.1 to 100".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Bench {
    #[command(subcommand)]
    pub command: BenchCommand,
}

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Generated fleets: build-all against a serial loop and one `nix build`
    BuildAll(BenchBuildAll),
    /// Virtual machines: image, boots, snapshots, several at once, against plain QEMU
    Vm(BenchVm),
    /// ci-local against the same commands typed by hand
    CiLocal(BenchCiLocal),
}

#[derive(Debug, Args)]
pub struct BenchCiLocal {
    /// Jobs that wait for each other
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub jobs: u16,
    /// Runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchBuildAll {
    /// Hosts in a generated fleet
    #[arg(long, value_delimiter = ',', default_values_t = [5, 50, 200])]
    pub sizes: Vec<u16>,
    /// Hosts in the fleet whose hosts each cost a second to evaluate; 0 leaves it out
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub heavy: u16,
    /// Runs of each measurement; the median is reported
    #[arg(long, default_value_t = 3)]
    pub runs: u16,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct BenchVm {
    /// Runs of each measurement; the median is reported
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub runs: u16,
    /// The most machines that are started at once
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub at_once: u16,
    /// Leave out the building of an image
    #[arg(long)]
    pub no_image: bool,
    /// What runs the guests' CPUs
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub accel: Accel,
    /// Write the figures as JSON, `-` for standard output
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Completions {
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The help of all commands below this one; what every command takes is told at the top alone.
    fn help_below(command: &clap::Command, all: &mut String) {
        for below in command.get_subcommands() {
            if below.get_name() == "help" {
                continue;
            }
            let mut own = below.clone().mut_args(|arg| {
                let global = arg.is_global_set();
                arg.hide(global)
            });
            all.push_str(&format!("──── {}\n", own.render_help()));
            help_below(below, all);
        }
    }

    #[test]
    fn every_command_says_what_it_takes() {
        let mut command = Cli::command().term_width(100);
        command.build();
        let mut all = command.render_long_help().to_string();
        help_below(&command, &mut all);
        insta::assert_snapshot!(all);
    }

    #[test]
    fn sizes_have_the_units_that_people_type() {
        for (text, bytes) in [
            ("0", 0),
            ("5G", 5 << 30),
            ("500m", 500 << 20),
            ("1TiB", 1 << 40),
            ("7B", 7),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in ["", "G", "5 G", "-1", "5X", "99999999999T"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_forward_is_two_ports() {
        let forward = |text| forward(text).map(|it| (it.host, it.guest));
        assert_eq!(forward("8080:80"), Ok((8080, 80)));
        for bad in ["", "80", "0:80", "8080:0", "8080:80:1", "70000:80", "a:b"] {
            assert!(forward(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }
}
