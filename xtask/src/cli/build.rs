//! Building hosts, and what changes.

use std::path::PathBuf;

use clap::Args;

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
pub struct Check {
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Fmt {
    /// Files and folders [default: every Nix file that git tracks]
    pub paths: Vec<PathBuf>,
    /// Change nothing; fail if a file is not formatted
    #[arg(long)]
    pub check: bool,
}
