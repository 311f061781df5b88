//! Whether a host without a guard is healthy: no unit failed that was fine, and its checks pass. Asked over ssh, as whom
//! the deployment logs in; a guard looks itself, as root.

use std::time::Duration;

use anyhow::Result;

use super::ask;
use super::live::Live;
use crate::fleet::inventory::{HealthCheck, Host};
use crate::tools::ssh::{Ssh, Target};

/// Why the host is not healthy; none if it is.
///
/// # Errors
/// If ssh cannot be started.
pub async fn look(
    ssh: &Ssh,
    target: &Target,
    host: &Host,
    before: &Live,
) -> Result<Option<String>> {
    let live = match ask::one(ssh, target, host.guard).await? {
        Ok(live) => live,
        Err(why) => return Ok(Some(format!("it does not answer: {why}"))),
    };
    let failed: Vec<&str> = live
        .failed_units
        .iter()
        .filter(|unit| !before.failed_units.contains(unit))
        .map(String::as_str)
        .collect();
    if !failed.is_empty() {
        return Ok(Some(format!("{} failed", failed.join(", "))));
    }
    for (name, check) in &host.health_checks {
        let Some(command) = command(check, target.user.as_deref()) else {
            continue;
        };
        if let Some(why) = one(ssh, target, check, &command).await? {
            return Ok(Some(format!("health check {name}: {why}")));
        }
    }
    Ok(None)
}

/// The names of checks that nobody makes on a host without a guard: whoever deploys it may not.
pub fn left_out(host: &Host) -> Vec<String> {
    let user = host.node.as_ref().and_then(|node| node.ssh_user.as_deref());
    let checks = host.health_checks.iter();
    checks
        .filter(|(_, check)| command(check, user).is_none())
        .map(|(name, _)| name.clone())
        .collect()
}

async fn one(
    ssh: &Ssh,
    target: &Target,
    check: &HealthCheck,
    command: &str,
) -> Result<Option<String>> {
    tokio::time::sleep(Duration::from_secs(u64::from(check.settle))).await;
    let mut why = String::new();
    for attempt in 0..=check.retries {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let output = ssh
            .command(target, command)
            // Beside it, the time to log in.
            .timeout(
                target
                    .slowness
                    .over(Duration::from_secs(u64::from(check.timeout) + 30)),
            )
            .capture()
            .await?;
        if output.status.success() {
            return Ok(None);
        }
        let said = output.last_lines(1);
        why = format!("it {}", output.status);
        if !said.is_empty() {
            why = format!("{why}: {said}");
        }
    }
    Ok(Some(why))
}

/// The check as a shell command; none if whoever deploys may not run it as the user whom it asks for.
fn command(check: &HealthCheck, user: Option<&str>) -> Option<String> {
    let timeout = check.timeout;
    if let Some(url) = &check.url {
        // Anybody may ask for a page.
        return Some(format!(
            "curl --fail --silent --show-error --location --output /dev/null --max-time {timeout} {}",
            quote(url)
        ));
    }
    let command = check.command.as_ref()?;
    let run = format!("timeout {timeout} sh -c {}", quote(command));
    match user {
        Some(user) if user == check.user => Some(run),
        Some("root") => Some(format!("runuser -u {} -- {run}", quote(&check.user))),
        _ => None,
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command: Option<&str>, url: Option<&str>, user: &str) -> HealthCheck {
        HealthCheck {
            command: command.map(str::to_owned),
            url: url.map(str::to_owned),
            user: user.to_owned(),
            settle: 0,
            retries: 0,
            timeout: 7,
        }
    }

    #[test]
    fn a_check_runs_as_whom_it_asks_for_or_not_at_all() {
        let as_root = check(Some("test -e /x'y"), None, "root");
        assert_eq!(
            command(&as_root, Some("root")).as_deref(),
            Some(r"timeout 7 sh -c 'test -e /x'\''y'")
        );
        assert_eq!(command(&as_root, Some("deploy")), None);
        let as_nobody = check(Some("true"), None, "nobody");
        assert_eq!(
            command(&as_nobody, Some("root")).as_deref(),
            Some("runuser -u 'nobody' -- timeout 7 sh -c 'true'")
        );
        let page = command(
            &check(None, Some("http://127.0.0.1/"), "root"),
            Some("deploy"),
        );
        assert!(page.unwrap().ends_with("--max-time 7 'http://127.0.0.1/'"));
    }
}
