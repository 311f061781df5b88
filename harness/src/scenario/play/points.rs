//! Whether a point is reached: asked on machines over the control channel, on the controller on this host.

use std::time::Duration;

use super::facts::Look;
use super::stage::Stage;
use crate::error::{Error, ErrorKind, Result};
use crate::machine::{Exec, Machine, Running};
use crate::scenario::{Fact, Place, Sight};
use crate::Output;

/// Guest seconds for one look.
const LOOK: Duration = Duration::from_secs(20);

/// A glob that nothing else is done to; a dangling link is a file, too.
const GLOB: &str =
    r#"IFS=; for f in $1; do if [ -e "$f" ] || [ -L "$f" ]; then exit 0; fi; done; exit 1"#;
const HTTP: &str = r#"exec curl -s --max-time 5 -w '\n%{http_code}' -- "$1""#;
const JOURNAL: &str = r#"journalctl -q -b -o cat --no-pager ${2:+-u "$2"} | grep -q -F -- "$1""#;
/// Ends with 0 as soon as a line after the cursor $3 has the text. Asking again and again would be too coarse: each
/// start of journalctl takes as long as some phases.
const FOLLOW: &str = r#"set -u
pipe=$(mktemp -u)
mkfifo "$pipe"
timeout 86400 journalctl -q -f -o cat -n all --after-cursor="$3" ${2:+-u "$2"} >"$pipe" &
grep -q -m1 -F -- "$1" <"$pipe"
found=$?
kill $!
rm -f "$pipe"
exit $found"#;

/// A sight with its placeholders filled in.
pub(super) fn filled(stage: &Stage, sight: &Sight) -> Result<Sight> {
    let fill = |text: &String| stage.fill(text);
    Ok(match sight {
        Sight::File(glob) => Sight::File(fill(glob)?),
        Sight::NoFile(glob) => Sight::NoFile(fill(glob)?),
        Sight::Http { url, status, text } => Sight::Http {
            url: fill(url)?,
            status: *status,
            text: text.as_ref().map(fill).transpose()?,
        },
        Sight::Process(pattern) => Sight::Process(fill(pattern)?),
        Sight::Journal { text, unit } => Sight::Journal {
            text: fill(text)?,
            unit: unit.clone(),
        },
        Sight::Port(_)
        | Sight::Unit(_)
        | Sight::Running(_)
        | Sight::Profile(_)
        | Sight::BootDefault(_) => sight.clone(),
    })
}

/// Whether it is there now.
pub(super) fn is_there(stage: &Stage, on: &Place, sight: &Sight) -> Result<bool> {
    match on {
        Place::Controller => on_controller(stage, sight),
        Place::Machine(name) => on_machine(&stage.look(name)?, sight),
    }
}

fn on_controller(stage: &Stage, sight: &Sight) -> Result<bool> {
    let within = stage.host_time(LOOK);
    let file = |glob| Ok(stage.desk.ask(GLOB, glob, within)?.success());
    match sight {
        Sight::Port(port) => Ok(["/proc/net/tcp", "/proc/net/tcp6"].iter().any(|table| {
            // A kernel without IPv6 has no second table.
            std::fs::read_to_string(table).is_ok_and(|text| listens(&text, *port))
        })),
        Sight::File(glob) => file(glob),
        Sight::NoFile(glob) => Ok(is_gone(&stage.desk.ask(GLOB, glob, within)?)),
        Sight::Http { url, status, text } => {
            let output = stage.desk.ask(HTTP, url, within)?;
            answers(&output, *status, text.as_deref())
        }
        Sight::Process(pattern) => Ok(!stage.desk.processes(pattern)?.is_empty()),
        Sight::Unit(_)
        | Sight::Journal { .. }
        | Sight::Running(_)
        | Sight::Profile(_)
        | Sight::BootDefault(_) => Err(Error::new(
            ErrorKind::State,
            "the controller has no units, no journal and no generations",
        )),
    }
}

fn on_machine(look: &Look, sight: &Sight) -> Result<bool> {
    let run = |argv: &[&str]| {
        look.machine
            .exec(Exec::new(argv.iter().copied()).timeout(LOOK))
    };
    let holds = |fact| Ok(look.at(&[fact])?.iter().all(|finding| finding.holds));
    match sight {
        Sight::Port(port) => {
            let text = run(&["cat", "/proc/net/tcp", "/proc/net/tcp6"])?.text();
            Ok(listens(&text, *port))
        }
        Sight::File(glob) => Ok(run(&["/bin/sh", "-c", GLOB, "file", glob])?.success()),
        Sight::NoFile(glob) => Ok(is_gone(&run(&["/bin/sh", "-c", GLOB, "file", glob])?)),
        Sight::Http { url, status, text } => {
            let output = run(&["/bin/sh", "-c", HTTP, "http", url])?;
            answers(&output, *status, text.as_deref())
        }
        Sight::Process(pattern) => Ok(run(&["pgrep", "-f", "--", pattern])?.success()),
        Sight::Unit(unit) => Ok(run(&["systemctl", "is-active", "--quiet", unit])?.success()),
        Sight::Journal { text, unit } => {
            let unit = unit.as_deref().unwrap_or_default();
            Ok(run(&["/bin/sh", "-c", JOURNAL, "journal", text, unit])?.success())
        }
        Sight::Running(generation) => holds(Fact::Running(generation.clone())),
        Sight::Profile(generation) => holds(Fact::Profile(generation.clone())),
        Sight::BootDefault(generation) => holds(Fact::BootDefault(generation.clone())),
    }
}

/// Whether a look for a file found none; any other code is of a look that failed.
fn is_gone(output: &Output) -> bool {
    output.code == 1
}

/// Where a machine's journal stands.
pub(super) fn cursor(machine: &Machine) -> Result<String> {
    let said = machine.shell("journalctl -q -b -n 1 -o cat --show-cursor")?;
    said.lines()
        .find_map(|line| line.strip_prefix("-- cursor: "))
        .map(str::to_owned)
        .ok_or_else(|| {
            Error::new(
                ErrorKind::Command,
                format!("the journal of {} has no cursor", machine.name()),
            )
        })
}

/// Starts waiting for a line of the journal behind a cursor.
pub(super) fn follow(
    machine: &Machine,
    text: &str,
    unit: Option<&str>,
    cursor: &str,
) -> Result<Running> {
    let unit = unit.unwrap_or_default();
    machine.spawn(Exec::new([
        "/bin/sh", "-c", FOLLOW, "follow", text, unit, cursor,
    ]))
}

/// Whether who follows the journal has found its line; one that ended without it can say nothing of what comes.
pub(super) fn has_followed(ended: Option<&Output>) -> Result<bool> {
    match ended {
        None => Ok(false),
        Some(output) if output.success() => Ok(true),
        Some(output) => Err(Error::new(
            ErrorKind::Io,
            format!(
                "what follows the journal ended with exit code {} and without its line: {}",
                output.code,
                output.last_lines(3)
            ),
        )),
    }
}

/// Whether a table of the kernel's has a listening socket at this port.
fn listens(table: &str, port: u16) -> bool {
    let ending = format!(":{port:04X}");
    table.lines().any(|line| {
        let mut words = line.split_whitespace().skip(1);
        let local = words.next().unwrap_or_default();
        let state = words.nth(1).unwrap_or_default();
        local.ends_with(&ending) && state == "0A"
    })
}

fn answers(output: &Output, status: u16, text: Option<&str>) -> Result<bool> {
    if output.code == 127 {
        return Err(Error::new(
            ErrorKind::State,
            "whoever is to ask for a page needs curl",
        ));
    }
    let said = output.text();
    let (body, code) = said.rsplit_once('\n').unwrap_or(("", &said));
    let has_text = text.is_none_or(|text| body.contains(text));
    Ok(output.success() && code == status.to_string() && has_text)
}

/// A point in the words of its file.
pub(super) fn words(sight: &Sight) -> String {
    match sight {
        Sight::Port(port) => format!("a listener on port {port}"),
        Sight::File(glob) => format!("the file {glob}"),
        Sight::NoFile(glob) => format!("no file {glob}"),
        Sight::Http { url, status, text } => {
            let with = text
                .as_ref()
                .map_or(String::new(), |text| format!(" with `{text}`"));
            format!("{status} from {url}{with}")
        }
        Sight::Process(pattern) => format!("a process `{pattern}`"),
        Sight::Unit(unit) => format!("{unit} active"),
        Sight::Journal { text, unit } => {
            let of = unit
                .as_ref()
                .map_or(String::new(), |unit| format!(" of {unit}"));
            format!("`{text}` in the journal{of}")
        }
        Sight::Running(generation) => format!("running = {generation}"),
        Sight::Profile(generation) => format!("profile = {generation}"),
        Sight::BootDefault(generation) => format!("boot-default = {generation}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::play::verdict::Trouble;

    #[test]
    fn listening_sockets_are_read_from_the_kernels_tables() {
        let table = "  sl  local_address rem_address   st tx_queue\n   \
                     0: 00000000:0016 00000000:0000 0A 00000000:00000000\n   \
                     1: 0F02000A:0050 0202000A:C350 01 00000000:00000000\n";
        assert!(listens(table, 22));
        assert!(!listens(table, 80), "a connection is no listener");
        assert!(!listens(table, 23));
    }

    fn said(text: &str, code: i32) -> Output {
        Output {
            code,
            stdout: text.as_bytes().to_vec(),
            stderr: String::new(),
            wall: Duration::ZERO,
        }
    }

    #[test]
    fn a_file_is_only_gone_if_it_was_looked_for() {
        assert!(is_gone(&said("", 1)));
        for code in [0, 2, 124, 137] {
            assert!(!is_gone(&said("", code)), "{code}");
        }
    }

    #[test]
    fn who_followed_the_journal_and_ended_without_its_line_says_nothing() {
        assert!(!has_followed(None).unwrap());
        assert!(has_followed(Some(&said("", 0))).unwrap());
        let error = has_followed(Some(&said("", 1))).unwrap_err();
        assert!(matches!(
            Trouble::of(None, "", error),
            Trouble::Broken(error) if error.to_string().contains("exit code 1")
        ));
    }

    #[test]
    fn an_answer_has_the_status_and_the_text() {
        let is = |text: &str, code, status, body| answers(&said(text, code), status, body).unwrap();
        assert!(is("hello\n\n200", 0, 200, Some("hello")));
        assert!(!is("hello\n200", 0, 200, Some("other")));
        assert!(!is("hello\n404", 0, 200, None));
        assert!(is("\n404", 0, 404, None));
        assert!(!is("\n000", 7, 0, None));
        assert!(answers(&said("", 127), 200, None).is_err());
    }
}
