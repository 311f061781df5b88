//! `slipway-guard`: dispatches, and maps an error to an exit code.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use guard::cli::{Cli, Door};
use guard::config::Config;
use guard::refusal::{Code, Refusal, EXIT_CODE};
use guard::{builder, door, early, metrics, runner, serve, upgrade};

fn main() -> ExitCode {
    // Whatever is created is the guard's alone, until it says otherwise.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o077));
    let code = match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            let (line, code) = match error.downcast::<Refusal>() {
                Ok(refusal) => (refusal.to_string(), EXIT_CODE),
                Err(error) => (format!("error: {error:#}"), 1),
            };
            // Whoever closed stderr does not want to know.
            let _ = writeln!(std::io::stderr(), "{line}");
            code
        }
    };
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn run(cli: Cli) -> Result<i32> {
    if matches!(cli.door, Door::Codes) {
        let mut out = std::io::stdout();
        for code in Code::ALL {
            writeln!(out, "{code:20} {}", code.meaning())?;
        }
        return Ok(0);
    }
    let asked = std::env::var(door::VARIABLE).ok();
    // A builder need not be a host that has the guard.
    if let Door::Release { name, builder } = &cli.door {
        return builder::open(builder, name, asked.as_deref());
    }
    if let Door::Metrics { to } = &cli.door {
        return metrics::write(&metrics::Settings::read(&cli.config)?, to).map(|()| 0);
    }
    if let Door::Upgrade { settings } = &cli.door {
        return upgrade::run(settings);
    }
    let config = Config::read(&cli.config)?;
    match cli.door {
        Door::Ssh { name } => door::open(&config, &name, asked.as_deref()),
        Door::Serve => serve::serve(config, cli.config).map(|()| 0),
        Door::Boot => early::boot(&config).map(|()| 0),
        Door::Local { words } => door::local(&config, words),
        Door::Activate { order } => runner::run(&config, &order).map(|()| 0),
        Door::Codes | Door::Metrics { .. } | Door::Release { .. } | Door::Upgrade { .. } => Ok(0),
    }
}
