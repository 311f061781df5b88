//! `cargo xtask vm`.

use anyhow::Result;

use crate::cache_dir::CacheDir;
use crate::cli::{Global, Vm, VmCommand, VmList, VmShell, VmStart};
use crate::failure::Exit;
use crate::report;
use crate::vm::{self, gc, list, render, Port, Started, Wanted};

pub async fn run(global: &Global, args: Vm) -> Result<Exit> {
    match args.command {
        VmCommand::Start(args) => start(global, args).await,
        VmCommand::Shell(VmShell { name, command }) => {
            let state = vm::of(global, &name).await?;
            vm::shell(state, &command).await
        }
        VmCommand::Console(args) => {
            let state = vm::of(global, &args.name).await?;
            vm::console(state).await
        }
        VmCommand::List(args) => list(&args),
        VmCommand::Stop(args) => {
            vm::stop(&args.names).await?;
            Ok(Exit::Passed)
        }
        VmCommand::Gc(args) => {
            let cache = CacheDir::find()?;
            let collected = tokio::task::spawn_blocking(move || gc::collect(&cache, args.limit));
            report::data(&collected.await??)?;
            Ok(Exit::Passed)
        }
        VmCommand::Hold => {
            let cache = CacheDir::find()?;
            Ok(tokio::task::spawn_blocking(move || vm::holder::hold(&cache)).await?)
        }
    }
}

async fn start(global: &Global, args: VmStart) -> Result<Exit> {
    let wanted = Wanted {
        host: args.host,
        generation: args.generation,
        forwards: args
            .forwards
            .iter()
            .map(|it| Port {
                host: it.host,
                guest: it.guest,
            })
            .collect(),
        fresh: args.fresh,
    };
    match vm::start(global, &wanted).await? {
        Started::Up(up) => {
            if let Some(note) = &up.note {
                report::say(&format!("note: {note}"));
            }
            report::data(&render::started(&up))?;
            Ok(Exit::Passed)
        }
        Started::Runner(runner) => {
            report::say("NixOS's own machine, in the foreground: Ctrl-A X ends it");
            Err(runner.command().become_it())
        }
    }
}

fn list(args: &VmList) -> Result<Exit> {
    let machines = list::list(&CacheDir::find()?)?;
    if args.json {
        report::data(&report::json(&list::Document::of(machines))?)?;
    } else if machines.is_empty() {
        report::say("no machine runs, and none is kept");
    } else {
        report::data(&render::table(&machines).text())?;
    }
    Ok(Exit::Passed)
}
