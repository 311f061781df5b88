//! Hosts and what they run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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
        conflicts_with_all = ["config", "removes_guard", "lease"]
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
    /// Also put it where hosts that upgrade themselves find it: FOLDER/HOST.json for each host that it names
    #[arg(long, value_name = "FOLDER", conflicts_with = "from")]
    pub publish: Option<PathBuf>,
    /// This host's new configuration has no guard, and that is meant
    #[arg(long, value_name = "HOST")]
    pub removes_guard: Vec<String>,
    /// How long a test lasts: 30m, 4h, 2d [default: as long as the host's configuration says]
    #[arg(long = "for", value_name = "TIME", value_parser = lease)]
    pub lease: Option<u64>,
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
    /// Copy what is new to the hosts first, and have each say what activating it would do: nothing of what runs changes, and
    /// a guard takes the release
    #[arg(long, conflicts_with_all = ["against", "resume", "keep"])]
    pub dry_activate: bool,
    /// Compare with this revision instead of asking the hosts what they run
    #[arg(long, value_name = "REV", requires = "plan")]
    pub against: Option<String>,
    /// Deploy what this release says, as `cargo xtask release` printed it; `-` for standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["reference", "boot"])]
    pub release: Option<PathBuf>,
    /// Only the hosts of this wave
    #[arg(long, value_name = "N")]
    pub wave: Option<u32>,
    /// Which hosts return to what they had when a wave fails
    #[arg(long, value_enum, default_value_t = RollbackChoice::Wave)]
    pub rollback: RollbackChoice,
    /// Go on with a deployment whose controller was killed
    #[arg(long, conflicts_with_all = ["hosts", "reference", "boot", "plan", "against", "release", "wave", "rollback", "action", "local"])]
    pub resume: bool,
    /// Deploy nothing, and have this host boot for good what it tests; its guard does that for an operator's key
    #[arg(long, value_name = "HOST", conflicts_with_all = ["hosts", "reference", "boot", "plan", "against", "release", "wave", "rollback", "action", "local", "resume"])]
    pub keep: Option<String>,
    /// Do not ask before hosts are touched
    // CI systems set `true`, `1` or nothing at all.
    #[arg(long, env = "CI", hide_env_values = true, value_parser = clap::builder::FalseyValueParser::new())]
    pub yes: bool,
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
    /// Whatever `homelab.reboot.window` says; a guard asks for an operator's key
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
    /// Until the next reboot; a guard returns the host when its lease ends
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_has_a_unit_and_bounds() {
        assert_eq!(lease("90m"), Ok(5400));
        for bad in ["4", "59s", "31d", ""] {
            assert!(lease(bad).is_err(), "{bad}");
        }
    }
}
