//! cargo: its arguments, and what its tests print.

use std::path::Path;

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
    fn the_crate_being_compiled_is_read_from_a_line() {
        assert_eq!(
            compiling("   Compiling tokio v1.44.1"),
            Some("tokio v1.44.1")
        );
        assert_eq!(compiling("    Finished `release` profile"), None);
    }
}
