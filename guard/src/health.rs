//! Whether a host that has just been activated is healthy: its checks, its units, its guard.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::time::Duration;

use anyhow::Result;

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
    let exit = program(config, check).into_file(log)?;
    anyhow::ensure!(exit == Exit::Code(0), "it {exit}");
    Ok(())
}

fn program(config: &Config, check: &HealthCheck) -> Program {
    let words: Vec<String> = match (&check.command, &check.url) {
        (Some(command), _) => {
            let sh = config.programs.sh.display().to_string();
            vec![sh, "-c".to_owned(), command.clone()]
        }
        (None, url) => {
            let curl = config.programs.curl.display().to_string();
            let time = check.timeout.to_string();
            // Redirects are not followed, and none of them counts.
            let script = "code=$(\"$0\" --silent --show-error --output /dev/null --write-out '%{http_code}' \
                          --max-time \"$1\" --url \"$2\") || exit 1\n\
                          case $code in 2*) ;; *) echo \"$2 answers $code\"; exit 1 ;; esac";
            let sh = config.programs.sh.display().to_string();
            let url = url.clone().unwrap_or_default();
            vec![sh, "-c".to_owned(), script.to_owned(), curl, time, url]
        }
    };
    let as_user = if check.user == "root" {
        words
    } else {
        let setpriv = config.programs.setpriv.display().to_string();
        let user = check.user.clone();
        let mut all = vec![setpriv, format!("--reuid={user}")];
        all.extend(["--init-groups", "--reset-env", "--regid"].map(str::to_owned));
        all.insert(2, "--inh-caps=-all".to_owned());
        all.push(user);
        all.push("--".to_owned());
        all.extend(words);
        all
    };
    let mut words = as_user.into_iter();
    Program::new(words.next().unwrap_or_default())
        .args(words)
        .env("PATH", &config.path)
        .within(Duration::from_secs(check.timeout) + SLACK)
}

/// Units that are failed now and were not before.
pub fn newly_failed(before: &[String], now: &[String]) -> Vec<String> {
    let before: BTreeSet<&String> = before.iter().collect();
    now.iter()
        .filter(|unit| !before.contains(unit))
        .cloned()
        .collect()
}
