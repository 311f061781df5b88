//! Workflows.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct CiLocal {
    /// What happened
    #[arg(long, value_enum, default_value_t = EventChoice::Push)]
    pub event: EventChoice,
    /// The branch that the commit was pushed to, or that a pull request is of [default: the one that is checked out]
    #[arg(long = "ref", value_name = "REF")]
    pub reference: Option<String>,
    /// Only this workflow, by its file [default: each that the event starts]
    #[arg(long, value_name = "FILE")]
    pub workflow: Option<String>,
    /// Only this job, with those that it needs
    #[arg(long, requires = "workflow")]
    pub job: Option<String>,
    /// The working tree in place of the last commit
    #[arg(long)]
    pub dirty: bool,
    /// An input of a manual dispatch
    #[arg(long = "input", value_name = "NAME=VALUE", value_parser = pair)]
    pub inputs: Vec<(String, String)>,
    /// Secrets, a NAME=VALUE a line [default: environment variables of their names]
    #[arg(long, value_name = "FILE")]
    pub secrets: Option<PathBuf>,
    /// Variables, a NAME=VALUE a line [default: environment variables of their names]
    #[arg(long, value_name = "FILE")]
    pub vars: Option<PathBuf>,
    /// Where jobs that deploy do so; without it they are refused
    #[arg(long, value_enum, value_name = "WHERE")]
    pub deploy: Option<DeployTo>,
    /// Say what would run, and run nothing
    #[arg(long)]
    pub plan: bool,
    /// One JSON document instead of a table
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EventChoice {
    Push,
    #[value(name = "pull_request")]
    PullRequest,
    Dispatch,
    Schedule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeployTo {
    /// Virtual machines in place of the hosts
    Rehearsal,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub struct Matrix {
    /// Append the matrix and the number of hosts to this file, as outputs of a step
    #[arg(
        long,
        value_name = "FILE",
        env = "GITHUB_OUTPUT",
        hide_env_values = true
    )]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Report {
    /// The revision that the hosts are taken to run
    #[arg(long, value_name = "REV", default_value = "origin/main")]
    pub against: String,
    /// Keep it as one comment on the pull request of this job, with the token in FORGEJO_TOKEN
    #[arg(long)]
    pub post: bool,
}
