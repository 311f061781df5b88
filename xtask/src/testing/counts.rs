//! How many tests passed, failed and were skipped, read from what test programs print. Pure.

use std::fmt;
use std::ops::AddAssign;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub passed: usize,
    pub failed: usize,
    pub skipped: usize,
}

impl Counts {
    pub const PASSED: Self = Self::one(1, 0, 0);
    pub const FAILED: Self = Self::one(0, 1, 0);
    pub const SKIPPED: Self = Self::one(0, 0, 1);

    const fn one(passed: usize, failed: usize, skipped: usize) -> Self {
        Self {
            passed,
            failed,
            skipped,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

/// What a test prints, on a line of its own, when it lacks something: `skip: …`. The harness counts it as passed.
const SKIP: &str = "skip: ";

/// The skips that `cargo test -- --show-output` tells, each once.
pub fn skips(printed: &str) -> Vec<&str> {
    let lines = printed.lines().filter_map(|line| line.strip_prefix(SKIP));
    lines.collect()
}

/// The sum over all test programs of a `cargo test`.
pub fn of_cargo(printed: &str) -> Counts {
    let mut counts = Counts::default();
    for line in printed.lines() {
        let Some(rest) = line.strip_prefix("test result: ") else {
            continue;
        };
        // `ok. 84 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.35s`
        for part in rest.split(['.', ';']) {
            let mut words = part.split_whitespace();
            let (Some(Ok(number)), Some(word)) =
                (words.next().map(str::parse::<usize>), words.next())
            else {
                continue;
            };
            match word {
                "passed" => counts.passed += number,
                "failed" => counts.failed += number,
                "ignored" => counts.skipped += number,
                _ => (),
            }
        }
    }
    let skipped = skips(printed).len();
    counts.passed = counts.passed.saturating_sub(skipped);
    counts.skipped += skipped;
    counts
}

/// `activation: 61 checks passed, 0 failed`, the last line of tests/rehearsal/run.
pub fn of_script(printed: &str) -> Option<Counts> {
    let line = printed
        .lines()
        .rev()
        .find(|line| line.contains(" passed, "))?;
    let (before, after) = line.split_once(" passed, ")?;
    let numbers = |words: &str| -> Vec<usize> {
        let words = words.split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    Some(Counts {
        passed: *numbers(before).last()?,
        failed: *numbers(after).first()?,
        skipped: 0,
    })
}

/// `1 failed, 12 passed, 2 skipped in 0.10s`, the last line of pytest; an error is a failure.
pub fn of_pytest(printed: &str) -> Option<Counts> {
    let line = printed.lines().rev().find(|line| line.contains(" in "))?;
    let mut counts = Counts::default();
    let words: Vec<&str> = line.split([' ', ',']).filter(|it| !it.is_empty()).collect();
    for pair in words.windows(2) {
        let Ok(number) = pair[0].parse::<usize>() else {
            continue;
        };
        match pair[1] {
            "passed" | "xfailed" => counts.passed += number,
            "failed" | "error" | "errors" | "xpassed" => counts.failed += number,
            "skipped" => counts.skipped += number,
            _ => (),
        }
    }
    Some(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
running 2 tests
test a ... ok

successes:

---- a stdout ----
skip: no second, newer Nix

test result: ok. 84 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.35s

running 3 tests
test result: FAILED. 3 passed; 4 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.05s
";

    #[test]
    fn all_test_programs_are_added_up_and_a_skip_is_no_pass() {
        let counts = of_cargo(PRINTED);
        assert_eq!(counts.to_string(), "86 passed, 5 failed, 3 skipped");
        assert_eq!(skips(PRINTED), ["no second, newer Nix"]);
    }

    #[test]
    fn a_test_program_that_never_ended_counts_nothing() {
        assert_eq!(
            of_cargo("running 3 tests\ntest a ... ok\n"),
            Counts::default()
        );
    }

    #[test]
    fn pytest_counts_in_its_last_line() {
        let printed =
            "....F\nFAILED a.py::b - in the end\n1 failed, 12 passed, 2 skipped in 0.10s\n";
        let counts = of_pytest(printed).unwrap();
        assert_eq!(counts.to_string(), "12 passed, 1 failed, 2 skipped");
        let counts = of_pytest("==== 3 passed, 1 error in 0.1s ====").unwrap();
        assert_eq!(counts.to_string(), "3 passed, 1 failed, 0 skipped");
        assert_eq!(of_pytest(""), None);
    }

    #[test]
    fn a_scripts_last_line_is_its_count() {
        let counts = of_script("FAILED: a\nactivation: 61 checks passed, 2 failed\n").unwrap();
        assert_eq!(counts.to_string(), "61 passed, 2 failed, 0 skipped");
        assert_eq!(of_script("skipped: the activation test needs root"), None);
    }
}
