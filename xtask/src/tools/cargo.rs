//! cargo: its arguments, and what its tests print.

use std::path::{Path, PathBuf};

use crate::process::Command;

/// Builds a published program into `root`, with the dependencies that its authors locked.
pub fn install(name: &str, version: &str, root: &Path, target: &Path) -> Command {
    Command::new("cargo")
        .args(["install", "--locked", "--root"])
        .arg(root)
        .args(["--version", version, name])
        // What is compiled before an interrupt is there for the next run.
        .env("CARGO_TARGET_DIR", target)
}

/// Compiles a crate of the workspace that it is run in.
pub fn build(package: &str) -> Command {
    Command::new("cargo").args(["build", "--quiet", "--locked", "--package", package])
}

/// The same, as it is deployed.
pub fn build_optimised(package: &str) -> Command {
    build(package).arg("--release")
}

/// Where the program of that is, of the workspace in `root`.
pub fn optimised(root: &Path, program: &str) -> PathBuf {
    target(root).join("release").join(program)
}

/// Where cargo puts what it makes.
pub fn target(root: &Path) -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root.join("target"), |target| root.join(target))
}

/// A judge of source files.
#[derive(Debug, Clone, Copy)]
pub struct Lint {
    /// As rustup names its component.
    pub name: &'static str,
    pub program: &'static str,
    args: &'static [&'static str],
}

pub const RUSTFMT: Lint = Lint {
    name: "rustfmt",
    program: "cargo-fmt",
    args: &["fmt", "--all", "--check"],
};
pub const CLIPPY: Lint = Lint {
    name: "clippy",
    program: "cargo-clippy",
    args: &[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
        "--message-format=short",
        "--",
        "--deny",
        "warnings",
    ],
};

impl Lint {
    pub fn command(&self) -> Command {
        Command::new("cargo").args(self.args)
    }
}

/// Which of the workspace's tests.
#[derive(Debug, Clone, Copy)]
pub struct Tests(&'static [&'static str]);

/// All of them but those that start virtual machines, in two calls: cargo cannot say it in one.
pub const WITHOUT_MACHINES: [Tests; 2] = [
    Tests(&["--workspace", "--exclude", "harness"]),
    Tests(&["--package", "harness", "--lib"]),
];
/// Those that do.
pub const WITH_MACHINES: [Tests; 2] = [
    Tests(&["--package", "harness", "--test", "*"]),
    Tests(&[
        "--package",
        "xtask",
        "--test",
        "vm",
        "--test",
        "rehearsals",
        "--test",
        "interrupted_plays",
        "--test",
        "runbook",
    ]),
];
/// The module that a test is in if it needs a machine and its neighbours do not.
const NEEDS_MACHINE: &str = "with_a_machine::";

impl Tests {
    fn command(self) -> Command {
        Command::new("cargo")
            .args(["test", "--quiet", "--locked", "--no-fail-fast"])
            .args(self.0)
            // A test run leaves no files behind; `cargo test` by hand writes new snapshots to look at.
            .env("INSTA_UPDATE", "no")
    }

    /// What a passing one prints is shown too, since that is how skips are told.
    fn run(self) -> Command {
        self.command().args(["--", "--show-output"])
    }

    /// All but those that need machines.
    pub fn run_without_machines(self) -> Command {
        self.run().args(["--skip", NEEDS_MACHINE])
    }

    /// Only those of these names, or all of them if there is no name; at most `at_once` at a time.
    pub fn run_some(self, names: &[&str], at_once: usize) -> Command {
        let command = self
            .run()
            .arg(format!("--test-threads={at_once}"))
            .args(names);
        if names.is_empty() {
            command
        } else {
            command.arg("--exact")
        }
    }

    /// Their names, a line each: `listed` reads them.
    pub fn list(self) -> Command {
        self.command().args(["--", "--list"])
    }
}

/// The names in what `Tests::list` prints.
pub fn listed(printed: &str) -> Vec<&str> {
    let lines = printed.lines();
    lines
        .filter_map(|line| line.strip_suffix(": test"))
        .collect()
}

/// What is worth reading of a failed `cargo test`: the names of the tests that failed, all of them, and what the last of
/// them said; else why nothing ran.
pub fn failures(stdout: &str, stderr_tail: &str) -> String {
    const LINES: usize = 60;
    let mut told = Vec::new();
    let mut telling = false;
    for line in stdout.lines() {
        // Each program lists `failures:` twice, first with what they said, then by name; both end in a result.
        match line {
            "failures:" => telling = true,
            _ if line.starts_with("test result: ") => telling = false,
            _ => (),
        }
        if telling && !line.trim().is_empty() {
            told.push(line);
        }
    }
    if told.is_empty() {
        return stderr_tail.to_owned();
    }
    let names: Vec<&str> = told.iter().copied().filter_map(failed).collect();
    let hidden = told.len().saturating_sub(LINES);
    let mut text = told.split_off(hidden).join("\n");
    if hidden > 0 {
        text.insert_str(
            0,
            &format!("failed: {}\n({hidden} lines more)\n", names.join(", ")),
        );
    }
    text
}

/// The test whose words come after a line such as `---- a::test stdout ----`.
fn failed(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

/// The crate of a line such as `   Compiling tokio v1.44.1`.
pub fn compiling(line: &str) -> Option<&str> {
    let line = line.trim_start();
    line.strip_prefix("Compiling ")
        .or_else(|| line.strip_prefix("Downloaded "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_built_as_its_authors_locked_it() {
        let command = install("deploy-rs", "1.0.0", Path::new("/r"), Path::new("/t"));
        assert_eq!(
            command.line(),
            "cargo install --locked --root /r --version 1.0.0 deploy-rs"
        );
    }

    #[test]
    fn some_tests_are_asked_for_by_their_whole_names() {
        let line = WITH_MACHINES[0].run_some(&["a", "b"], 2).line();
        assert!(
            line.ends_with("-- --show-output --test-threads=2 a b --exact"),
            "{line}"
        );
        let all = WITH_MACHINES[0].run_some(&[], 2).line();
        assert!(all.ends_with("-- --show-output --test-threads=2"), "{all}");
        assert_eq!(
            listed("a: test\nb: test\n\n2 tests, 0 benchmarks\n"),
            ["a", "b"]
        );
    }

    #[test]
    fn failed_tests_are_told_and_passing_ones_are_not() {
        let stdout = "successes:\n\n---- a stdout ----\nfine\n\nfailures:\n\n---- b stdout ----\nboom\n\nfailures:\n    b\n\n\
                      test result: FAILED. 1 passed; 1 failed; 0 ignored\n";
        let told = "failures:\n---- b stdout ----\nboom\nfailures:\n    b";
        assert_eq!(failures(stdout, "noise"), told);
        assert_eq!(
            failures("", "error: does not compile"),
            "error: does not compile"
        );
    }

    #[test]
    fn each_test_that_failed_is_named_however_much_the_last_says() {
        let stdout = format!(
            "failures:\n\n---- a::first stdout ----\nboom\n\n---- last stdout ----\n{}\n",
            "boom\n".repeat(100)
        );
        let told = failures(&stdout, "");
        assert!(told.starts_with("failed: a::first, last\n("), "{told}");
    }

    #[test]
    fn the_crate_being_compiled_is_read_from_a_line() {
        assert_eq!(
            compiling("   Compiling tokio v1.44.1"),
            Some("tokio v1.44.1")
        );
        assert_eq!(compiling("    Finished `release` profile"), None);
    }
}
