//! Whether a host that has just been activated is healthy: its checks, its units, its guard.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::File;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::config::{Config, HealthCheck};
use crate::process::{Exit, Program};

const PAUSE: Duration = Duration::from_secs(2);
/// Beyond the attempt's own time, for a program that does not keep it.
const SLACK: Duration = Duration::from_secs(2);

/// Runs the checks side by side; the failed ones, with why.
pub fn failed_checks(
    config: &Config,
    checks: &BTreeMap<String, HealthCheck>,
    log: &File,
) -> Vec<String> {
    std::thread::scope(|scope| {
        let running: Vec<_> = checks
            .iter()
            .map(|(name, check)| (name, scope.spawn(move || passes(config, check, log))))
            .collect();
        running
            .into_iter()
            .filter_map(|(name, running)| match running.join() {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(format!("{name}: {error:#}")),
                Err(_) => Some(format!("{name}: it was not run")),
            })
            .collect()
    })
}

fn passes(config: &Config, check: &HealthCheck, log: &File) -> Result<()> {
    std::thread::sleep(Duration::from_secs(check.settle));
    let mut attempt = 0;
    loop {
        let result = once(config, check, log);
        if result.is_ok() || attempt >= check.retries {
            return result;
        }
        attempt += 1;
        std::thread::sleep(PAUSE);
    }
}

fn once(config: &Config, check: &HealthCheck, log: &File) -> Result<()> {
    let exit = program(config, check)?.into_file(log)?;
    anyhow::ensure!(exit == Exit::Code(0), "it {exit}");
    Ok(())
}

/// Redirects are not followed, and none of them counts. Arguments: curl, seconds, URL.
const FETCH: &str = r#"
code=$("$0" --silent --show-error --output /dev/null --write-out '%{http_code}' --max-time "$1" --url "$2") || exit 1
case $code in 2*) ;; *) echo "$2 answers $code"; exit 1 ;; esac"#;

fn program(config: &Config, check: &HealthCheck) -> Result<Program> {
    let programs = &config.programs;
    let mut words: Vec<OsString> = vec![(&programs.sh).into(), "-c".into()];
    match (&check.command, &check.url) {
        (Some(command), _) => words.push(command.into()),
        (None, Some(url)) => {
            let time = check.timeout.to_string();
            words.extend([
                FETCH.into(),
                (&programs.curl).into(),
                time.into(),
                url.into(),
            ]);
        }
        (None, None) => anyhow::bail!("it has neither a command nor a URL"),
    }
    let time = Duration::from_secs(check.timeout) + SLACK;
    if check.user == "root" {
        let program = Program::new(&programs.sh).args(words.drain(1..));
        return Ok(program.env("PATH", &config.path).within(time));
    }
    let user = nix::unistd::User::from_name(&check.user)?
        .with_context(|| format!("there is no user {}", check.user))?;
    Ok(Program::new(&programs.setpriv)
        .args([
            format!("--reuid={}", user.uid),
            format!("--regid={}", user.gid),
            "--init-groups".to_owned(),
            "--inh-caps=-all".to_owned(),
            "--".to_owned(),
        ])
        .args(words)
        .env("PATH", &config.path)
        .env("USER", &user.name)
        .env("HOME", user.dir)
        .within(time))
}

/// Units that are failed now and were not before.
pub fn newly_failed(before: &[String], now: &[String]) -> Vec<String> {
    let before: BTreeSet<&String> = before.iter().collect();
    now.iter()
        .filter(|unit| !before.contains(unit))
        .cloned()
        .collect()
}
