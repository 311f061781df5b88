//! One subcommand a file, each with its `run`. Commands call what lies below them, never each other.

mod bench;
mod build_all;
mod cache;
mod check;
mod ci_local;
mod completions;
mod deploy;
mod diff;
mod doctor;
mod fmt;
mod history;
mod hosts;
mod matrix;
mod nodes;
mod reboot;
mod release;
mod report;
mod rollback;
mod secrets;
mod setup;
mod status;
mod test;
mod update;
mod vm;
mod vm_test;

use anyhow::Result;

use crate::cli::{Cli, Command};
use crate::failure::Exit;

pub async fn run(cli: Cli) -> Result<Exit> {
    let global = &cli.global;
    match cli.command {
        Command::Setup(args) => setup::run(global, args).await,
        Command::Doctor(args) => doctor::run(global, args).await,
        Command::Hosts(args) => hosts::run(global, args).await,
        Command::Nodes(args) => nodes::run(global, args).await,
        Command::BuildAll(args) => build_all::run(global, args).await,
        Command::Diff(args) => diff::run(global, args).await,
        Command::Release(args) => release::run(global, args).await,
        Command::Deploy(args) => deploy::run(global, args).await,
        Command::Status(args) => status::run(global, args).await,
        Command::History(args) => history::run(global, args).await,
        Command::Rollback(args) => rollback::run(global, args).await,
        Command::Reboot(args) => reboot::run(global, args).await,
        Command::Check(args) => check::run(global, args).await,
        Command::Update(args) => update::run(global, args).await,
        Command::CiLocal(args) => ci_local::run(global, args).await,
        Command::Report(args) => report::run(global, args).await,
        Command::Matrix(args) => matrix::run(global, args).await,
        Command::Cache(args) => cache::run(global, args).await,
        Command::Secrets(args) => secrets::run(global, args).await,
        Command::Fmt(args) => fmt::run(global, args).await,
        Command::Test(args) => test::run(global, args).await,
        Command::Vm(args) => vm::run(global, args).await,
        Command::VmTest(args) => vm_test::run(global, args).await,
        Command::Bench(args) => bench::run(global, args).await,
        Command::Completions(args) => completions::run(global, args).await,
    }
}
