//! What xtask asks of a flake's outputs in one `nix eval --apply`, and the lines in which the answers arrive.
//! Pure: text in, types out.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use crate::fleet::host::HostName;
use crate::fleet::inventory::Host;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

/// The function of `hosts` and what is wanted of them; takes the flake's outputs.
pub const FUNCTION: &str = include_str!("apply.nix");

/// Marks our lines among the traces that a configuration prints itself. Another one each time xtask runs, so that no
/// configuration can speak for us.
fn mark() -> &'static str {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        // Seeded by the operating system.
        let word = || RandomState::new().build_hasher().finish();
        format!("slipway-{:016x}{:016x}", word(), word())
    })
}

/// What is wanted of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wanted {
    /// One line about the fleet as a whole, before any host.
    pub overview: bool,
    pub inventory: bool,
    /// The derivation of `system.build.toplevel`, written to the store.
    pub toplevel: bool,
    /// The derivation of what deploy-rs copies, written to the store.
    pub profile: bool,
}

/// What an evaluation says, in the order in which it happens.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
// Taken apart the moment it is read; no two of them are ever kept.
#[allow(clippy::large_enum_variant)]
pub enum Event {
    Overview(Overview),
    /// What fails from here to the matching `Done` is this host's failure.
    Begin(HostName),
    Done(HostEvaluation),
    /// A warning of the configuration's or Nix's own; its first line.
    #[serde(skip)]
    Warning(String),
}

/// What is known of a fleet before any host is evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Overview {
    pub hosts: Vec<HostName>,
    /// The flake has a `fleet` output; else the inventory is what `nixosConfigurations` tells.
    pub declared: bool,
    pub stage: Option<Stage>,
    pub hosts_dir: Option<String>,
    pub hermetic: bool,
}

/// What was wanted of one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostEvaluation {
    pub host: HostName,
    pub inventory: Option<Host>,
    pub toplevel: Option<Toplevel>,
    #[serde(default)]
    pub profile: Option<Profile>,
}

/// A host's system before it is built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Toplevel {
    pub drv: StorePath,
    pub out: StorePath,
}

/// What deploy-rs copies to a host, before it is built: the system with deploy-rs's own programs beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Profile {
    pub drv: StorePath,
    pub out: StorePath,
}

/// The argument of `nix eval FLAKE#. --apply`: evaluates `hosts` in this order.
pub fn expression(hosts: &[HostName], wanted: Wanted) -> String {
    let names: Vec<String> = hosts.iter().map(|host| string(host.as_str())).collect();
    format!(
        "({FUNCTION}) {{ mark = \"{}\"; hosts = [ {} ]; overview = {}; inventory = {}; profile = {}; toplevel = {}; }}",
        mark(),
        names.join(" "),
        wanted.overview,
        wanted.inventory,
        wanted.profile,
        wanted.toplevel
    )
}

/// The overview, and the inventory of the first hosts: for a small fleet that is all of it in one process.
pub fn survey(first: usize) -> String {
    format!(
        "({FUNCTION}) {{ mark = \"{}\"; first = {first}; overview = true; inventory = true; profile = false; toplevel = false; }}",
        mark()
    )
}

/// The event in a line of the evaluation's stderr, if there is one.
pub fn event(line: &str) -> Option<Event> {
    if let Some(json) = own(line) {
        // A line of ours that cannot be read is told as it is; the host then counts as not evaluated.
        return Some(
            serde_json::from_str(json)
                .unwrap_or_else(|error| Event::Warning(format!("cannot read `{json}`: {error}"))),
        );
    }
    if line.starts_with("waiting for ") {
        // Nix names the lock that another process holds.
        return Some(Event::Warning(line.to_owned()));
    }
    let text = ["evaluation warning: ", "trace: warning: ", "warning: "]
        .iter()
        .find_map(|prefix| line.strip_prefix(prefix))?;
    // Overridden inputs are never written to the lock file, and xtask asked for just that.
    let expected = text.starts_with("not writing modified lock file")
        || text.contains("has an override for a non-existent input");
    (!expected).then(|| Event::Warning(text.to_owned()))
}

/// Why the last line of ours that cannot be read cannot be.
pub fn unreadable(stderr: &str) -> Option<String> {
    let mut lines = stderr.lines().rev().filter_map(own);
    let error = lines.find_map(|json| serde_json::from_str::<Event>(json).err())?;
    let error = error.to_string();
    Some(error.split(" at line ").next().unwrap_or(&error).to_owned())
}

/// What a line says if it is one of ours.
fn own(line: &str) -> Option<&str> {
    let text = line.strip_prefix("trace: ")?.strip_prefix(mark())?;
    text.strip_prefix(':')
}

/// A Nix string literal.
fn string(text: &str) -> String {
    let escaped = text
        .replace('\\', r"\\")
        .replace('"', "\\\"")
        .replace("${", "\\${");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_names_hosts_and_wishes() {
        let hosts = ["Web", "a\"${b}"].map(HostName::known);
        let wanted = Wanted {
            toplevel: true,
            ..Wanted::default()
        };
        let text = expression(&hosts, wanted);
        assert!(
            text.ends_with(
                r#"; hosts = [ "Web" "a\"\${b}" ]; overview = false; inventory = false; profile = false; toplevel = true; }"#
            ),
            "{}",
            &text[text.len() - 140..]
        );
    }

    #[test]
    fn begin_and_done_are_read() {
        let line = format!(r#"trace: {}:{{"begin":"Web"}}"#, mark());
        assert_eq!(event(&line), Some(Event::Begin(HostName::known("Web"))));
        assert_eq!(event(r#"trace: slipway:{"begin":"Web"}"#), None);
        let (hash, mark) = ("0".repeat(32), mark());
        let line = format!(
            r#"trace: {mark}:{{"done":{{"host":"Web","inventory":null,"toplevel":{{"drv":"/nix/store/{hash}-x.drv","out":"/nix/store/{hash}-x"}}}}}}"#
        );
        let Some(Event::Done(done)) = event(&line) else {
            panic!("{:?}", event(&line));
        };
        assert_eq!(done.toplevel.unwrap().drv.name(), "x.drv");
    }

    #[test]
    fn the_overview_of_an_undeclared_fleet_has_no_stage() {
        let line = format!(
            r#"trace: {}:{{"overview":{{"declared":false,"hermetic":false,"hosts":["A","B"],"hostsDir":null,"stage":null}}}}"#,
            mark()
        );
        let Some(Event::Overview(overview)) = event(&line) else {
            panic!("{:?}", event(&line));
        };
        assert_eq!(overview.hosts.len(), 2);
        assert_eq!(overview.stage, None);
    }

    #[test]
    fn warnings_are_told_and_other_lines_are_not() {
        let warning = |text: &str| Some(Event::Warning(text.to_owned()));
        assert_eq!(event("evaluation warning: old"), warning("old"));
        assert_eq!(event("trace: warning: old"), warning("old"));
        assert_eq!(event("trace: 5"), None);
        assert_eq!(
            event("warning: not writing modified lock file of flake 'git+file:///x':"),
            None
        );
        assert_eq!(event("error: no"), None);
    }

    #[test]
    fn an_unreadable_line_of_ours_is_told() {
        let Some(Event::Warning(text)) = event(&format!("trace: {}:{{", mark())) else {
            panic!("not told");
        };
        assert!(text.starts_with("cannot read `{`"), "{text}");
    }
}
