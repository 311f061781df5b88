//! What is expected of a command that ended, held against what it did. Pure.

use serde_json::Value;

use crate::scenario::{Exit, Expect};

/// A command that ended; `code` is none if its machine ended under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// What was expected and what was found instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub expected: String,
    pub found: String,
}

/// The lines of output that are shown with what was found.
const SHOWN: usize = 12;

impl Ended {
    /// What `Exit::Failure` takes for a failure of the command's own: a shell says 128 + n of one that signal n ended.
    fn own_code(&self) -> Option<i32> {
        self.code.filter(|code| !(129..=192).contains(code))
    }

    pub(super) fn last_lines(&self) -> String {
        let both = format!("{}\n{}", self.stdout.trim_end(), self.stderr.trim_end());
        let lines = crate::process::last_lines(&both, SHOWN);
        match lines.is_empty() {
            true => "no output".to_owned(),
            false => format!("output ending in:\n{lines}"),
        }
    }

    pub(super) fn ending(&self) -> String {
        match (self.code, self.own_code()) {
            (None, _) => "its machine ended under it".to_owned(),
            (Some(code), Some(_)) => format!("exit code {code}"),
            (Some(code), None) => format!("exit code {code}, as of signal {}", code - 128),
        }
    }
}

/// The first thing that is not as expected; units are looked at elsewhere.
pub(super) fn mismatch(expect: &Expect, ended: &Ended) -> Option<Mismatch> {
    let wrong = |expected: String, found: String| Some(Mismatch { expected, found });
    let code = match expect.exit {
        Exit::Failure => ended.own_code(),
        Exit::Codes(_) | Exit::Any => ended.code,
    };
    if !expect.exit.accepts(code) {
        return wrong(
            exit_words(&expect.exit),
            format!("{}; {}", ended.ending(), ended.last_lines()),
        );
    }
    let both = format!("{}\n{}", ended.stdout, ended.stderr);
    for text in &expect.output {
        if !both.contains(text.as_str()) {
            return wrong(format!("output with `{text}`"), ended.last_lines());
        }
    }
    for text in &expect.output_lacks {
        if let Some(line) = both.lines().find(|line| line.contains(text.as_str())) {
            return wrong(format!("output without `{text}`"), format!("`{line}`"));
        }
    }
    if let Some(text) = &expect.stdout {
        let said = ended.stdout.trim_end_matches('\n');
        if said != text.trim_end_matches('\n') {
            return wrong(format!("stdout `{text}`"), format!("`{said}`"));
        }
    }
    if expect.json.is_empty() {
        return None;
    }
    let document: Value = match serde_json::from_str(&ended.stdout) {
        Ok(document) => document,
        Err(error) => {
            return wrong(
                "a JSON document on stdout".to_owned(),
                format!("{error}; {}", ended.last_lines()),
            )
        }
    };
    for (pointer, value) in &expect.json {
        let found = document.pointer(pointer);
        if !found.is_some_and(|found| same(found, value)) {
            return wrong(
                format!("{value} at {pointer}"),
                found.map_or_else(|| "nothing there".to_owned(), Value::to_string),
            );
        }
    }
    None
}

/// As people compare: 1 is 1.0.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

fn exit_words(exit: &Exit) -> String {
    match exit {
        Exit::Codes(codes) => {
            let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
            format!("exit code {}", codes.join(" or "))
        }
        Exit::Failure => "failure".to_owned(),
        Exit::Any => "any end".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expect() -> Expect {
        Expect {
            exit: Exit::Codes(vec![0]),
            output: Vec::new(),
            output_lacks: Vec::new(),
            stdout: None,
            json: Default::default(),
            units: Default::default(),
        }
    }

    fn ended(code: i32, stdout: &str, stderr: &str) -> Ended {
        Ended {
            code: Some(code),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        }
    }

    #[test]
    fn success_is_expected_unless_something_else_is() {
        assert_eq!(mismatch(&expect(), &ended(0, "", "")), None);
        let wrong = mismatch(&expect(), &ended(4, "", "warning: it failed\n")).unwrap();
        assert_eq!(wrong.expected, "exit code 0");
        assert_eq!(
            wrong.found,
            "exit code 4; output ending in:\nwarning: it failed"
        );
    }

    #[test]
    fn a_signal_is_no_failure_of_the_commands_own() {
        let expect = Expect {
            exit: Exit::Failure,
            ..expect()
        };
        assert_eq!(mismatch(&expect, &ended(255, "", "")), None);
        let wrong = mismatch(&expect, &ended(137, "", "")).unwrap();
        assert_eq!(wrong.found, "exit code 137, as of signal 9; no output");
        assert!(mismatch(&expect, &ended(0, "", "")).is_some());
        let gone = Ended {
            code: None,
            ..ended(0, "", "")
        };
        assert!(mismatch(&expect, &gone).is_some());
        let any = Expect {
            exit: Exit::Any,
            ..expect
        };
        assert_eq!(mismatch(&any, &gone), None);
    }

    #[test]
    fn texts_are_looked_for_in_both_streams() {
        let said = ended(0, "out\n", "err\n");
        let with = |output: &[&str], lacks: &[&str]| Expect {
            output: output.iter().map(|s| (*s).to_owned()).collect(),
            output_lacks: lacks.iter().map(|s| (*s).to_owned()).collect(),
            ..expect()
        };
        assert_eq!(mismatch(&with(&["out", "err"], &["other"]), &said), None);
        let wrong = mismatch(&with(&["other"], &[]), &said).unwrap();
        assert_eq!(wrong.expected, "output with `other`");
        let wrong = mismatch(&with(&[], &["rr"]), &said).unwrap();
        assert_eq!(wrong.found, "`err`");
    }

    #[test]
    fn stdout_and_json_are_compared_as_values() {
        let exact = Expect {
            stdout: Some("one\ntwo".to_owned()),
            ..expect()
        };
        assert_eq!(mismatch(&exact, &ended(0, "one\ntwo\n", "noise")), None);
        assert!(mismatch(&exact, &ended(0, "one\n", "")).is_some());
        let json = Expect {
            json: [("/a/0".to_owned(), serde_json::json!(1))].into(),
            ..expect()
        };
        assert_eq!(mismatch(&json, &ended(0, r#"{"a":[1.0]}"#, "")), None);
        let wrong = mismatch(&json, &ended(0, r#"{"a":[2]}"#, "")).unwrap();
        assert_eq!(
            (wrong.expected.as_str(), wrong.found.as_str()),
            ("1 at /a/0", "2")
        );
        let wrong = mismatch(&json, &ended(0, r#"{"b":1}"#, "")).unwrap();
        assert_eq!(wrong.found, "nothing there");
        assert!(mismatch(&json, &ended(0, "no json", ""))
            .unwrap()
            .found
            .contains("no json"));
    }
}
