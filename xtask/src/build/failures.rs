//! Errors of hosts, in words: object, cause, next step. Pure.

use super::outcome::Error;
use super::progress::Failure;
use crate::fleet::host::HostName;
use crate::fleet::store_path::StorePath;
use crate::process::Status;

const FULL: &str = "No space left on device";

/// An evaluation failed; `message` has the file and line where they are known.
pub fn evaluation(host: &HostName, message: &str, next_step: Option<String>) -> Error {
    if message.contains(FULL) {
        return full_disk(&format!("cannot evaluate host {host}"));
    }
    Error {
        next_step,
        ..Error::new(format!("cannot evaluate host {host}: {message}"))
    }
}

/// One host alone needs more than the budget.
pub fn too_large(host: &HostName, budget: u64) -> Error {
    let mib = budget >> 20;
    Error {
        next_step: Some(format!(
            "cargo xtask build-all --eval-memory {} {host}",
            mib * 2
        )),
        ..Error::new(format!(
            "cannot evaluate host {host}: it needs more than {mib} MiB of memory"
        ))
    }
}

/// A build failed; `nix` is how a person calls it.
pub fn build(host: &HostName, failure: Option<&Failure>, status: Status, nix: &str) -> Error {
    let Some(failure) = failure else {
        return Error::new(format!("cannot build host {host}: nix build {status}"));
    };
    let log = failure.log.join("\n");
    if failure.message.contains(FULL) || log.contains(FULL) {
        return full_disk(&format!("cannot build host {host}"));
    }
    Error {
        message: format!("cannot build host {host}: {}", reason(failure)),
        derivation: failure.derivation.clone(),
        log: failure.log.clone(),
        next_step: (failure.derivation.as_ref()).map(|path| format!("{nix} log {path}")),
    }
}

/// `x.drv: builder failed with exit code 7`, however the version of Nix words it.
fn reason(failure: &Failure) -> String {
    let message = failure.message.trim();
    let message = message.strip_prefix("error:").unwrap_or(message).trim();
    let Some(name) = failure.derivation.as_ref().map(StorePath::name) else {
        return message.to_owned();
    };
    let newer = message
        .lines()
        .find_map(|line| line.trim().strip_prefix("Reason: "))
        .map(|reason| reason.trim_end_matches('.').to_owned());
    let older = || {
        let rest = message.strip_prefix("builder for '")?;
        let end = rest.split_once("' ")?.1.lines().next()?;
        Some(format!("builder {}", end.trim_end_matches([';', ':'])))
    };
    match newer.or_else(older) {
        Some(reason) => format!("{name}: {reason}"),
        None => message.to_owned(),
    }
}

fn full_disk(what: &str) -> Error {
    Error {
        next_step: Some(
            "free space on the file system of /nix/store, for example with `nix store gc`"
                .to_owned(),
        ),
        ..Error::new(format!("{what}: the disk is full"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(message: &str) -> Failure {
        let path = format!("{}-bad-unit.drv", "0".repeat(32));
        Failure {
            derivation: Some(StorePath::parse(&path).unwrap()),
            message: message.to_owned(),
            log: vec!["one".to_owned(), "two".to_owned()],
        }
    }

    fn host() -> HostName {
        HostName::known("Niko")
    }

    #[test]
    fn both_versions_of_nix_say_the_same() {
        let older = "builder for '/nix/store/x-bad-unit.drv' failed with exit code 7;\nlast 2 log lines:\n> one";
        let newer = "Cannot build '/nix/store/x-bad-unit.drv'.\nReason: builder failed with exit code 7.\nOutput paths:\n  /nix/store/x";
        for message in [older, newer] {
            let error = build(&host(), Some(&failure(message)), Status::Code(1), "nix");
            assert_eq!(
                error.message,
                "cannot build host Niko: bad-unit.drv: builder failed with exit code 7"
            );
            let next_step = error.next_step.unwrap();
            assert!(next_step.starts_with("nix log /nix/store/"), "{next_step}");
        }
    }

    #[test]
    fn other_messages_are_told_as_they_are() {
        let other = failure("path '/nix/store/x' is corrupted");
        let error = build(&host(), Some(&other), Status::Code(1), "nix");
        assert_eq!(
            error.message,
            "cannot build host Niko: path '/nix/store/x' is corrupted"
        );
        let error = build(&host(), None, Status::Signal(9), "nix");
        assert_eq!(
            error.message,
            "cannot build host Niko: nix build was ended by SIGKILL"
        );
    }

    #[test]
    fn a_full_disk_is_named() {
        let full = failure("error: writing to file: No space left on device");
        let error = build(&host(), Some(&full), Status::Code(1), "nix");
        assert_eq!(error.message, "cannot build host Niko: the disk is full");
        let full = "error: opening x: No space left on device";
        let error = evaluation(&host(), full, None);
        assert_eq!(error.message, "cannot evaluate host Niko: the disk is full");
    }

    #[test]
    fn a_host_too_large_says_what_to_try() {
        let error = too_large(&host(), 512 << 20);
        assert_eq!(
            error.next_step.unwrap(),
            "cargo xtask build-all --eval-memory 1024 Niko"
        );
    }
}
