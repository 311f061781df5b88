//! `cargo xtask fmt`.

use anyhow::{Context, Result};

use crate::cli::{Fmt, Global};
use crate::evaluate::locate::{locate, Location};
use crate::failure::{Exit, Failure};
use crate::format::{examine, nix_files, of_the_flake, Formatting};
use crate::report;
use crate::report::words::counted;
use crate::setup;
use crate::whole_file;

pub async fn run(global: &Global, args: Fmt) -> Result<Exit> {
    let files = if args.paths.is_empty() {
        let location = locate(global.flake.as_deref())?;
        if matches!(location, Location::Git { .. }) {
            setup::git(global).await?;
        }
        of_the_flake(&location).await?
    } else {
        nix_files(&args.paths)?
    };
    let mut unreadable = 0;
    let mut different = 0;
    for file in &files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        match examine(&text) {
            Formatting::Unchanged => (),
            Formatting::Unreadable {
                line,
                column,
                message,
            } => {
                unreadable += 1;
                report::say(&format!("{}:{line}:{column}: {message}", file.display()));
            }
            Formatting::Differs(formatted) => {
                different += 1;
                if args.check {
                    report::say(&format!("{}: not formatted", file.display()));
                } else {
                    whole_file::write(file, &formatted)
                        .with_context(|| format!("cannot write {}", file.display()))?;
                    report::say(&format!("{}: formatted", file.display()));
                }
            }
        }
    }
    if unreadable > 0 {
        let files = counted(unreadable, "file");
        return Err(Failure::failed(format!("cannot format {files}: not Nix")).into());
    }
    if different > 0 && args.check {
        let of = counted(files.len(), "Nix file");
        return Err(
            Failure::failed(format!("{different} of {of} not formatted as nixfmt does"))
                .try_next("cargo xtask fmt")
                .into(),
        );
    }
    Ok(Exit::Passed)
}
