//! Asks the fleet's builder for a release, over ssh: what CI does, which has no key to sign with.

use std::time::Duration;

use anyhow::Result;
use guard::refusal::{Code, Refusal};

use crate::deploy::Released;
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::fleet::host::{self, HostName};
use crate::fleet::inventory::{Host, Inventory, Releases};
use crate::fleet::refs::short;
use crate::fleet::stage::Stage;
use crate::process::Status;
use crate::report;
use crate::report::words::counted;
use crate::tools::ssh::{complaint, Ssh, Target, SSH_FAILED};

/// A release builds every host that it names; the builder gives up before this.
const PATIENCE: Duration = Duration::from_secs(7 * 3600);

/// What CI wants released.
#[derive(Debug, Clone)]
pub struct Request {
    /// A revision of the repository that the fleet is in.
    pub wanted: String,
    /// The builder's name; none if the fleet has but one.
    pub builder: Option<String>,
    /// Hosts boot into it where they would switch to it.
    pub boot: bool,
}

/// The builder's release of this very commit. Whether its signature holds is the hosts' to say.
///
/// # Errors
/// Usage, if the commit or the builder does not exist; failed, if the builder cannot be reached or makes no release of it.
pub async fn ask(fleet: &Fleet, request: &Request) -> Result<Released> {
    let commit = fleet.git()?.commit(&request.wanted).await?;
    let survey = fleet.survey().await?;
    let (host, releases) = builder(&survey.inventory, request.builder.as_deref())?;
    let target = target(host, releases, fleet.stage)?;
    let boot = if request.boot { " --boot" } else { "" };
    report::say(&format!(
        "asking {} for a release of {}",
        target.host,
        short(&commit)
    ));
    let ssh = Ssh::knowing([&target]).await?;
    let mut error = String::new();
    let output = ssh
        .command(&target, &format!("release {commit}{boot}"))
        .timeout(PATIENCE)
        .stream(|line| match error.is_empty() && !is_end(line) {
            true => report::say(&format!("{}: {line}", target.host)),
            // Told once, at the end.
            false => error.push_str(&format!("{line}\n")),
        })
        .await?;
    if !output.status.success() {
        return Err(failure(&target.host, &commit, output.status, &error, &output.stderr).into());
    }
    let released = Released::read(&output.stdout).map_err(|failure| {
        Failure::failed(format!(
            "{} releases nothing of {}: {failure}",
            target.host,
            short(&commit)
        ))
        .try_next(log_of(&target.host))
    })?;
    if released.release.commit != commit {
        return Err(Failure::failed(format!(
            "nothing is released: {} was asked for {}, and answered with a release of {}",
            target.host,
            short(&commit),
            short(&released.release.commit)
        ))
        .try_next(log_of(&target.host))
        .into());
    }
    report::say(&format!(
        "release {}: {} at {}, valid until {}",
        released.release.counter,
        counted(released.release.hosts.len(), "host"),
        short(&commit),
        released.release.expires
    ));
    Ok(released)
}

/// Who asked for what there, and how it ended.
fn log_of(builder: &HostName) -> String {
    format!("on {builder}: journalctl -t slipway-builder")
}

/// From here on it is why nothing was released.
fn is_end(line: &str) -> bool {
    line.starts_with("error: ") || line.starts_with("refused ")
}

/// The host that is asked, and how.
fn builder<'a>(
    inventory: &'a Inventory,
    wanted: Option<&str>,
) -> Result<(&'a Host, &'a Releases), Failure> {
    let door = |host: &'a Host| Some((host, host.releases.as_ref()?));
    let all: Vec<(&Host, &Releases)> = inventory.hosts.values().filter_map(door).collect();
    if let Some(wanted) = wanted {
        let names: Vec<HostName> = inventory.hosts.keys().cloned().collect();
        host::select(&names, &[wanted.to_owned()])?;
        let chosen = all.iter().find(|(host, _)| host.name.as_str() == wanted);
        return chosen.copied().ok_or_else(|| {
            Failure::usage(format!("host {wanted} makes no releases"))
                .try_next(format!("{ENABLE} in its configuration"))
        });
    }
    match all.as_slice() {
        [one] => Ok(*one),
        [] => Err(
            Failure::usage("no host of the fleet makes releases").try_next(format!(
                "{ENABLE} on the builder; without --from on the signer itself"
            )),
        ),
        several => {
            let names: Vec<&str> = several.iter().map(|(host, _)| host.name.as_str()).collect();
            Err(
                Failure::usage(format!("several hosts make releases: {}", names.join(", ")))
                    .try_next(format!("--from={}", names.join(" or --from="))),
            )
        }
    }
}

const ENABLE: &str = "homelab.builder.releases.enable = true";

fn target(host: &Host, releases: &Releases, stage: Stage) -> Result<Target, Failure> {
    let known = Target::of(host, Some(releases.user.clone()), stage);
    let mut target = known.ok_or_else(|| {
        Failure::usage(format!(
            "nobody knows the address of {}, which makes releases",
            host.name
        ))
        .try_next("homelab.deploy.targetHost in its configuration")
    })?;
    if let Some(door) = &releases.door {
        door.address().clone_into(&mut target.address);
        target.options = door.ssh_options(&target.options);
        target.keys = vec![door.key.clone()];
    }
    if target.may_be_asked() {
        return Ok(target);
    }
    Err(Failure::usage(format!(
        "nothing is released: the rehearsal stage asks nobody but this machine, and {} is at {}",
        target.host, target.address
    ))
    .try_next("--stage nixos"))
}

/// `error` is what the builder said of it, `stderr` all that ssh said.
fn failure(builder: &HostName, commit: &str, status: Status, error: &str, stderr: &str) -> Failure {
    let commit = short(commit);
    if status == Status::Code(SSH_FAILED) {
        let why = complaint(stderr);
        return Failure::failed(format!(
            "cannot ask {builder} for a release of {commit}: {why}"
        ))
        .try_next(format!(
            "targetHost, hostKeys and homelab.builder.releases.keys in the configuration of {builder}"
        ));
    }
    if let Some(refusal) = Refusal::find(stderr) {
        let failure = Failure::failed(format!("{builder} releases nothing of {commit}: {refusal}"));
        return failure.try_next(match refusal.code {
            Code::Releasing => "the same when that is done".to_owned(),
            // The key leads to something else there.
            Code::UnknownCommand => format!("{ENABLE} in the configuration of {builder}, deployed"),
            _ => "docs/threat-model.md#codes says what a refusal means; on a host: slipway-guard codes".to_owned(),
        });
    }
    let (why, next) = error.split_once("\ntry: ").unwrap_or((error, ""));
    let why = why.trim_end().trim_start_matches("error: ");
    let why = match why.trim_start_matches("nothing is released: ") {
        "" => format!("its answer {status}"),
        why => why.to_owned(),
    };
    let next = match next.trim_end() {
        "" => log_of(builder),
        next => next.to_owned(),
    };
    Failure::failed(format!("{builder} releases nothing of {commit}: {why}")).try_next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(doors: &[(&str, bool)]) -> Inventory {
        let host = |(name, door): &(&str, bool)| {
            let releases = door.then(|| serde_json::json!({ "user": "builder" }));
            let host = serde_json::json!({ "name": name, "system": "x86_64-linux", "targetHost": "10.0.0.1", "releases": releases });
            ((*name).to_owned(), host)
        };
        let hosts: serde_json::Map<String, serde_json::Value> = doors.iter().map(host).collect();
        serde_json::from_value(serde_json::json!({
            "version": 1, "stage": "nixos", "hostsDir": null, "hermetic": true, "hosts": hosts,
        }))
        .unwrap()
    }

    #[test]
    fn the_builder_is_the_one_that_makes_releases() {
        let asked = |doors: &[(&str, bool)], wanted: Option<&str>| {
            builder(&inventory(doors), wanted)
                .map(|(host, releases)| format!("{}@{}", releases.user, host.name))
                .map_err(|failure| {
                    format!("{failure}; {}", failure.next_step().unwrap_or_default())
                })
        };
        let one = [("A", false), ("B", true)];
        let two = [("A", true), ("B", true), ("C", false)];
        assert_eq!(asked(&one, None).unwrap(), "builder@B");
        assert_eq!(asked(&two, Some("A")).unwrap(), "builder@A");
        let refused = [
            asked(&[("A", false)], None),
            asked(&two, None),
            asked(&two, Some("C")),
            asked(&two, Some("D")),
        ];
        let refused: Vec<String> = refused.into_iter().map(Result::unwrap_err).collect();
        insta::assert_snapshot!(refused.join("\n"), @r"
        no host of the fleet makes releases; homelab.builder.releases.enable = true on the builder; without --from on the signer itself
        several hosts make releases: A, B; --from=A or --from=B
        host C makes no releases; homelab.builder.releases.enable = true in its configuration
        the fleet has no host `D`; one of A, B, C
        ");
    }

    #[test]
    fn a_rehearsal_asks_nobody_else() {
        let inventory = inventory(&[("A", true)]);
        let (host, releases) = builder(&inventory, None).unwrap();
        assert!(target(host, releases, Stage::Nixos).is_ok());
        let failure = target(host, releases, Stage::Rehearsal).unwrap_err();
        assert!(
            failure.to_string().contains("A is at 10.0.0.1"),
            "{failure}"
        );
    }

    #[test]
    fn why_nothing_is_released_is_told_once_with_the_next_step() {
        let told = |status, stderr: &str| {
            let at = stderr.lines().position(is_end);
            let error: String = stderr
                .lines()
                .skip(at.unwrap_or(usize::MAX))
                .map(|line| format!("{line}\n"))
                .collect();
            let builder = HostName::known("BinaryCache");
            let failure = failure(&builder, &"a".repeat(40), status, &error, stderr);
            format!("{failure}\n  {}", failure.next_step().unwrap_or_default())
        };
        let all = [
            told(
                Status::Code(1),
                "fetching x\nerror: nothing is released: 1 of 2 commits cannot be taken\n  bbbbbbbbbb not signed: x\ntry: sign them anew\n",
            ),
            told(Status::Code(77), "refused releasing: the builder makes another release\n"),
            told(Status::Code(77), "refused unknown-command: the command is none of those that the guard knows: release\n"),
            told(Status::Code(77), "refused bad-argument: the command has arguments that it does not take: x\n"),
            told(Status::Code(255), "ssh: connect to host 10.0.0.1 port 22: Connection refused\r\n"),
            told(Status::Signal(9), "fetching x\n"),
        ];
        insta::assert_snapshot!(all.join("\n"), @r"
        BinaryCache releases nothing of aaaaaaaaaa: 1 of 2 commits cannot be taken
          bbbbbbbbbb not signed: x
          sign them anew
        BinaryCache releases nothing of aaaaaaaaaa: refused releasing: the builder makes another release
          the same when that is done
        BinaryCache releases nothing of aaaaaaaaaa: refused unknown-command: the command is none of those that the guard knows: release
          homelab.builder.releases.enable = true in the configuration of BinaryCache, deployed
        BinaryCache releases nothing of aaaaaaaaaa: refused bad-argument: the command has arguments that it does not take: x
          docs/threat-model.md#codes says what a refusal means; on a host: slipway-guard codes
        cannot ask BinaryCache for a release of aaaaaaaaaa: connection refused
          targetHost, hostKeys and homelab.builder.releases.keys in the configuration of BinaryCache
        BinaryCache releases nothing of aaaaaaaaaa: its answer was ended by SIGKILL
          on BinaryCache: journalctl -t slipway-builder
        ");
    }
}
