//! `--log-format internal-json`: what Nix says while it builds. The same in 2.26 and 2.34, but that 2.26 stops a
//! top-level build's activity only at the very end.

use std::path::Path;

use serde::Deserialize;

use crate::fleet::store_path::StorePath;

/// The number that Nix gives to something that takes time.
pub type Activity = u64;

/// What one line of the log tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Part of the plan that is printed first: this derivation will be built.
    WillBuild(StorePath),
    /// Part of the plan: this path will be fetched.
    WillFetch(StorePath),
    BuildStarted(Activity, StorePath),
    FetchStarted(Activity, StorePath),
    Stopped(Activity),
    /// One line that a builder printed.
    BuilderLine(Activity, String),
    /// Nix waits for another process, and says for what.
    Waiting(String),
    /// An error message, without its colours.
    Error(String),
}

const BUILD: u64 = 105;
const SUBSTITUTE: u64 = 108;
const WAITING: u64 = 111;
const BUILD_LOG_LINE: u64 = 101;

#[derive(Deserialize)]
#[serde(tag = "action", rename_all = "lowercase")]
enum Line {
    Start {
        id: Activity,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        text: String,
        #[serde(default)]
        fields: Vec<Field>,
    },
    Stop {
        id: Activity,
    },
    Result {
        id: Activity,
        #[serde(rename = "type")]
        kind: u64,
        #[serde(default)]
        fields: Vec<Field>,
    },
    Msg {
        level: u64,
        msg: String,
        #[serde(default)]
        raw_msg: Option<String>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Number(#[allow(dead_code)] u64),
}

/// Reads one line. None for what matters to nobody, and for a line that is no log line at all.
pub fn parse(line: &str) -> Option<Event> {
    let line = serde_json::from_str(line.strip_prefix("@nix ")?).ok()?;
    match line {
        Line::Start {
            kind: WAITING,
            text,
            ..
        } => Some(Event::Waiting(plain(&text))),
        Line::Start {
            id, kind, fields, ..
        } => {
            let Some(Field::Text(path)) = fields.into_iter().next() else {
                return None;
            };
            let path = StorePath::parse(&path).ok()?;
            match kind {
                BUILD => Some(Event::BuildStarted(id, path)),
                SUBSTITUTE => Some(Event::FetchStarted(id, path)),
                _ => None,
            }
        }
        Line::Stop { id } => Some(Event::Stopped(id)),
        Line::Result { id, kind, fields } => match (kind, fields.into_iter().next()) {
            (BUILD_LOG_LINE, Some(Field::Text(text))) => Some(Event::BuilderLine(id, plain(&text))),
            _ => None,
        },
        Line::Msg {
            level: 0,
            msg,
            raw_msg,
        } => Some(Event::Error(plain(&raw_msg.unwrap_or(msg)))),
        // The lock of the garbage collector is no activity.
        Line::Msg { msg, .. } if msg.starts_with("waiting for ") => {
            Some(Event::Waiting(plain(&msg)))
        }
        Line::Msg { msg, .. } => {
            let path = StorePath::parse(msg.strip_prefix("  ")?).ok()?;
            if is_derivation(&path) {
                Some(Event::WillBuild(path))
            } else {
                Some(Event::WillFetch(path))
            }
        }
        Line::Other => None,
    }
}

/// The derivation that an error message is about: the first that it names.
pub fn failed_derivation(message: &str) -> Option<StorePath> {
    message
        .split('\'')
        .skip(1)
        .step_by(2)
        .filter_map(|word| StorePath::parse(word).ok())
        .find(is_derivation)
}

/// Whether the message only says that something below failed: that has a message of its own.
pub fn is_consequence(message: &str) -> bool {
    message.contains("failed to build") || {
        let reason = message
            .lines()
            .find_map(|line| line.trim().strip_prefix("Reason: "));
        reason.is_some_and(|reason| {
            reason.ends_with("dependency failed.") || reason.ends_with("dependencies failed.")
        })
    }
}

fn is_derivation(path: &StorePath) -> bool {
    Path::new(path.as_str())
        .extension()
        .is_some_and(|extension| extension == "drv")
}

/// Text without terminal escapes.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' && chars.peek() == Some(&'[') {
            for c in chars.by_ref().skip(1) {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else if c != '\r' {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: [(&str, &str); 2] = [
        ("2.26", include_str!("recorded/build-2.26.log")),
        ("2.34", include_str!("recorded/build-2.34.log")),
    ];

    fn events(log: &str) -> Vec<Event> {
        log.lines().filter_map(parse).collect()
    }

    fn names(events: &[Event], pick: impl Fn(&Event) -> Option<&StorePath>) -> Vec<String> {
        let mut names: Vec<String> = events
            .iter()
            .filter_map(pick)
            .map(|path| path.name().to_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_plan_comes_first_and_lists_every_build_and_fetch() {
        for (version, log) in RECORDED {
            let events = events(log);
            let build = names(&events, |event| match event {
                Event::WillBuild(path) => Some(path),
                _ => None,
            });
            assert_eq!(
                build,
                ["bad-unit.drv", "host-a.drv", "host-b.drv"],
                "{version}"
            );
            let fetch = names(&events, |event| match event {
                Event::WillFetch(path) => Some(path),
                _ => None,
            });
            assert_eq!(fetch, ["lib1", "tool"], "{version}");
        }
    }

    #[test]
    fn builds_and_fetches_start_and_stop() {
        for (version, log) in RECORDED {
            let events = events(log);
            let started = names(&events, |event| match event {
                Event::BuildStarted(_, path) | Event::FetchStarted(_, path) => Some(path),
                _ => None,
            });
            assert_eq!(
                started,
                ["bad-unit.drv", "host-a.drv", "lib1", "tool"],
                "{version}"
            );
            for event in &events {
                if let Event::BuildStarted(id, _) | Event::FetchStarted(id, _) = event {
                    assert!(events.contains(&Event::Stopped(*id)), "{version}");
                }
            }
        }
    }

    #[test]
    fn a_builders_lines_belong_to_its_activity() {
        for (version, log) in RECORDED {
            let events = events(log);
            let bad = events.iter().find_map(|event| match event {
                Event::BuildStarted(id, path) if path.name() == "bad-unit.drv" => Some(*id),
                _ => None,
            });
            let lines: Vec<&str> = events
                .iter()
                .filter_map(|event| match event {
                    Event::BuilderLine(id, line) if Some(*id) == bad => Some(line.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(lines, ["one", "two"], "{version}");
        }
    }

    #[test]
    fn an_error_names_its_derivation_and_a_consequence_is_told_apart() {
        for (version, log) in RECORDED {
            let errors: Vec<(String, bool)> = events(log)
                .iter()
                .filter_map(|event| match event {
                    Event::Error(text) => Some((
                        failed_derivation(text).unwrap().name().to_owned(),
                        is_consequence(text),
                    )),
                    _ => None,
                })
                .collect();
            let expected = [
                ("bad-unit.drv".to_owned(), false),
                ("host-b.drv".to_owned(), true),
            ];
            assert_eq!(errors, expected, "{version}");
        }
    }

    #[test]
    fn colours_and_carriage_returns_go() {
        assert_eq!(plain("\u{1b}[31;1merror:\u{1b}[0m no\r"), "error: no");
        assert_eq!(parse("warning: not JSON"), None);
    }
}
