//! What a host says of itself, in whichever way it was asked. Types, and what both kinds of answers come to. Pure.

use anyhow::{Context, Result};
use guard::answer::{FreeBytes, HostState, Status};
use serde::{Deserialize, Serialize};

use crate::fleet::store_path::StorePath;

/// A host's own word on what it runs. What it does not know is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Live {
    /// `/run/current-system`.
    pub running: Option<StorePath>,
    /// `/run/booted-system`.
    pub booted: Option<StorePath>,
    /// What the next power cycle boots.
    pub boot_default: Option<StorePath>,
    /// The system profile.
    pub profile: Option<StorePath>,
    /// What the host goes back to when it is told to; none if there is nothing.
    #[serde(default)]
    pub rollback_target: Option<StorePath>,
    pub state: HostState,
    /// Units in the state `failed`.
    pub failed_units: Vec<String>,
    pub free_bytes: Option<FreeBytes>,
    /// All that a guard says; null on a host without one.
    pub guard: Option<Box<Status>>,
}

impl Live {
    /// Whether an activation goes on, so that what the host runs is not settled.
    pub fn is_busy(&self) -> bool {
        matches!(
            self.state,
            HostState::Activating | HostState::AwaitingConfirmation { .. }
        )
    }
}

impl From<Status> for Live {
    fn from(status: Status) -> Self {
        let path = |path: &Option<guard::store_path::StorePath>| {
            path.as_ref()
                .and_then(|path| StorePath::parse(path.as_str()).ok())
        };
        Self {
            running: path(&status.running),
            booted: path(&status.booted),
            boot_default: path(&status.boot_default),
            profile: path(&status.profile),
            rollback_target: path(&status.rollback_target),
            state: status.state.clone(),
            failed_units: status.failed_units.clone(),
            free_bytes: Some(status.free_bytes),
            guard: Some(Box::new(status)),
        }
    }
}

/// What a host without a guard is asked, in one line of shell: where the links lead, and the profile's generation before
/// its current one, to which `nix-env --rollback` goes; which units failed, whether deploy-rs is about something, what is
/// free.
/// The profile is what deploy-rs copied, or a plain system: either way its programs lie in the system itself. The
/// pattern does not match the shell that asks.
pub const QUESTION: &str = "for link in /run/current-system /run/booted-system; do \
    echo \"$link $(readlink -f $link)\"; done; \
    switch=$(readlink -f /nix/var/nix/profiles/system/bin/switch-to-configuration); \
    echo \"/nix/var/nix/profiles/system ${switch%/bin/switch-to-configuration}\"; \
    now=$(readlink /nix/var/nix/profiles/system); now=${now#system-}; now=${now%-link}; before=; \
    for link in /nix/var/nix/profiles/system-*-link; do \
    number=${link##*/system-}; number=${number%-link}; \
    if [ \"$number\" -lt \"$now\" ] 2>/dev/null && [ \"$number\" -gt \"${before:-0}\" ]; then before=$number; fi; done; \
    switch=$(readlink -f /nix/var/nix/profiles/system-$before-link/bin/switch-to-configuration); \
    echo \"before ${switch%/bin/switch-to-configuration}\"; \
    systemctl list-units --failed --plain --no-legend 2>/dev/null | while read -r unit rest; do echo \"failed $unit\"; done; \
    if pgrep -f '[a]ctivate-rs (activate|revoke)' >/dev/null 2>&1; then echo activating; fi; \
    for place in /nix/store /boot; do echo \"free $place $(stat -f -c '%a %S %T' $place 2>/dev/null)\"; done";

/// Reads the answer to `QUESTION`.
///
/// # Errors
/// If it is none.
pub fn answer(text: &str) -> Result<Live> {
    let field = |name: &str| {
        text.lines()
            .filter_map(|line| line.split_once(' '))
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value)
            .with_context(|| format!("the host's answer has no line `{name}`: {text:?}"))
    };
    // A link that is not there leads to itself.
    let path = |link: &str| Ok::<_, anyhow::Error>(StorePath::parse(field(link)?).ok());
    let profile = path("/nix/var/nix/profiles/system")?;
    let free = |place: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("free {place} ")))?;
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let bytes = number()?.checked_mul(number()?)?;
        Some((bytes, words.next()?))
    };
    // Without an EFI partition it is a folder of the root file system.
    let esp = free("/boot").filter(|(_, kind)| *kind == "msdos");
    Ok(Live {
        running: path("/run/current-system")?,
        booted: path("/run/booted-system")?,
        // The installed loader's default is the profile's newest generation, and nothing else says what it is.
        boot_default: profile.clone(),
        profile,
        rollback_target: path("before")?,
        state: if text.lines().any(|line| line == "activating") {
            HostState::Activating
        } else {
            HostState::Idle
        },
        failed_units: text
            .lines()
            .filter_map(|line| line.strip_prefix("failed "))
            .map(str::to_owned)
            .collect(),
        free_bytes: free("/nix/store").map(|(store, _)| FreeBytes {
            store,
            esp: esp.map(|(bytes, _)| bytes),
        }),
        guard: None,
    })
}

/// A host's state as in tables.
pub fn words(state: &HostState) -> String {
    match state {
        HostState::Idle => "idle".to_owned(),
        HostState::Activating => "activating".to_owned(),
        HostState::AwaitingConfirmation { until } => format!("awaiting confirmation until {until}"),
        HostState::OnTrial { booted: false } => "boots on trial the next time".to_owned(),
        HostState::OnTrial { booted: true } => "on trial".to_owned(),
        HostState::TestUntil { until } => format!("test until {until}"),
        HostState::Held {
            by,
            reason: Some(reason),
            ..
        } => format!("held by {by}: {reason}"),
        HostState::Held { by, .. } => format!("held by {by}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_a_host_without_a_guard_is_read() {
        let hash = "0".repeat(32);
        let system = format!("/nix/store/{hash}-nixos-system-Web");
        let text = format!(
            "/run/current-system {system}\n/run/booted-system /run/booted-system\n\
             /nix/var/nix/profiles/system {system}\nbefore {system}-old\nfailed a.service\nfailed b.service\n\
             free /nix/store 100 4096 ext2/ext3\nfree /boot 9 512 ext2/ext3\n"
        );
        let live = answer(&text).unwrap();
        assert_eq!(live.running, Some(StorePath::parse(&system).unwrap()));
        assert_eq!(live.booted, None);
        assert_eq!(live.boot_default, live.profile);
        let old = StorePath::parse(&format!("{system}-old")).unwrap();
        assert_eq!(live.rollback_target, Some(old));
        assert_eq!(live.failed_units, ["a.service", "b.service"]);
        let free = FreeBytes {
            store: 409_600,
            esp: None,
        };
        assert_eq!(live.free_bytes, Some(free));
        let with_esp = answer(&text.replace("512 ext2/ext3", "512 msdos")).unwrap();
        assert_eq!(with_esp.free_bytes.unwrap().esp, Some(4608));
        assert_eq!(live.state, HostState::Idle);
        let busy = text.replace("failed a.service", "activating");
        assert_eq!(answer(&busy).unwrap().state, HostState::Activating);
    }

    /// Of a host that says what cannot be, the rest is known all the same.
    #[test]
    fn more_space_than_there_can_be_is_not_known() {
        let system = format!("/nix/store/{}-nixos-system-Web", "0".repeat(32));
        let links = [
            "/run/current-system",
            "/run/booted-system",
            "/nix/var/nix/profiles/system",
            "before",
        ];
        let mut text: String = links.map(|link| format!("{link} {system}\n")).concat();
        text.push_str("free /nix/store 18446744073709551615 4096 ext2/ext3\n");
        let live = answer(&text).unwrap();
        assert_eq!(live.free_bytes, None);
        assert!(live.running.is_some());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        let error = answer("Last login: today").unwrap_err();
        assert!(
            error.to_string().contains("/nix/var/nix/profiles/system"),
            "{error}"
        );
    }

    #[test]
    fn the_shell_answers_the_question() {
        let output = std::process::Command::new("sh")
            .args(["-c", QUESTION])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        answer(&text).unwrap_or_else(|error| panic!("{error:#}: {text}"));
    }
}
