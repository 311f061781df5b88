//! Parses the command line, runs one command, and maps its error to an exit code.

mod add_host;
mod bench;
mod build;
mod cache;
mod cache_dir;
mod check;
mod ci;
mod ci_local;
mod cli;
mod cmd;
mod deploy;
mod diff;
mod evaluate;
mod failure;
mod fleet;
mod format;
mod job_secrets;
mod process;
mod release;
mod report;
mod scenarios;
mod secrets;
mod setup;
mod state_dir;
mod testing;
mod tools;
mod update;
mod vm;
mod whole_file;

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::cli::Cli;
use crate::failure::Exit;

/// What an interrupted play may take until its machines and their folders are gone.
const END: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    job_secrets::take();
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::error(&anyhow::Error::new(error).context("cannot start the async runtime"));
            return Exit::Failed.into();
        }
    };
    let exit = runtime.block_on(async {
        tokio::select! {
            result = cmd::run(cli) => match result {
                Ok(exit) => exit,
                Err(error) => {
                    report::error(&error);
                    failure::exit_of(&error)
                }
            },
            () = process::interrupt_signal() => {
                report::interrupted();
                Exit::Interrupted
            }
        }
    });
    // Whatever a command gave up half-way (an interrupt, an error beside it) ends before xtask does.
    runtime.block_on(process::terminate_all());
    harness::end_everything(END);
    // Tasks that still wait for something would hold the runtime's drop.
    runtime.shutdown_background();
    exit.into()
}
