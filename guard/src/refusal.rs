//! Why the guard says no. A code is part of the interface: it is never renamed, and never means something else.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a program ends with whose request was refused.
pub const EXIT_CODE: i32 = 77;

macro_rules! codes {
    ($($(#[doc = $line:literal])+ $name:ident = $code:literal),+ $(,)?) => {
        /// The reason for a refusal.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $line])+ #[serde(rename = $code)] $name),+
        }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// One line that says what it means.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$name => concat!($($line),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// a key of this account runs the guard's commands and gets no shell
    NoShell = "no-shell",
    /// the command is none of those that the guard knows
    UnknownCommand = "unknown-command",
    /// the command has arguments that it does not take
    BadArgument = "bad-argument",
    /// the request is longer than any honest one
    TooLong = "too-long",
    /// whoever opened the socket is neither root nor the deploy user
    NotPermitted = "not-permitted",
    /// only keys that homelab.deploy.guard.operators names may do this
    NotOperator = "not-operator",
    /// the activation is another key's
    NotYours = "not-yours",
    /// an activation is going on
    Busy = "busy",
    /// the builder makes another release
    Releasing = "releasing",
    /// an operator holds the host
    Held = "held",
    /// nobody holds the host
    NotHeld = "not-held",
    /// the document cannot be read as a signed release
    BadDocument = "bad-document",
    /// the release is of a version that this guard does not know
    UnknownVersion = "unknown-version",
    /// no key that the host allows has signed these very bytes
    BadSignature = "bad-signature",
    /// the release's time is over
    Expired = "expired",
    /// the release was made in the future: one of the clocks is wrong
    NotYetValid = "not-yet-valid",
    /// the host has accepted a newer release
    Downgrade = "downgrade",
    /// another release with the same counter was accepted
    CounterReused = "counter-reused",
    /// the release does not name this host
    OtherHost = "other-host",
    /// the host has accepted no release yet
    NoRelease = "no-release",
    /// the accepted release does not name this closure for this host
    NotInRelease = "not-in-release",
    /// the release names another action for this host
    WrongAction = "wrong-action",
    /// only the system profile is deployed here
    WrongProfile = "wrong-profile",
    /// deploy-rs is to confirm what it activates: magic rollback has to be on
    NoConfirmation = "no-confirmation",
    /// the closure is not in the host's store, or not whole
    NotInStore = "not-in-store",
    /// a path of the closure has no signature of a trusted key
    Unsigned = "unsigned",
    /// a content-addressed path of the closure has no signature of a trusted key
    ContentAddressed = "content-addressed",
    /// the closure is not a system that the guard can switch to
    NotASystem = "not-a-system",
    /// the closure has no guard, and the release does not say that it removes it
    RemovesGuard = "removes-guard",
    /// the store has too little free space
    NoSpace = "no-space",
    /// the EFI system partition has too little free space
    NoEspSpace = "no-esp-space",
    /// no activation waits for this confirmation
    NotAwaiting = "not-awaiting",
    /// no test activation is running
    NoTest = "no-test",
    /// a boot on trial has not ended
    OnTrial = "on-trial",
    /// there is nothing to go back to
    NothingToRollBack = "nothing-to-roll-back",
    /// this guard never recorded the closure as confirmed
    NeverConfirmed = "never-confirmed",
    /// homelab.reboot.unattended is false: only an operator reboots this host
    RebootForbidden = "reboot-forbidden",
    /// no reboot is due
    NoRebootDue = "no-reboot-due",
    /// homelab.reboot.window is closed: later, or an operator's reboot --now
    OutsideWindow = "outside-window",
    /// the host does not look for releases itself: homelab.upgrade.enable is false
    NoUpgrades = "no-upgrades",
    /// only a release says what this host is to have: homelab.upgrade.source is not hydra
    NoBuilds = "no-builds",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal as the client reads it: `refused CODE: text`, one line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    pub code: Code,
    pub text: String,
}

impl Refusal {
    /// With the code's own meaning as text.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            text: code.meaning().to_owned(),
        }
    }

    /// With what was found; the text becomes one line of printable characters.
    pub fn because(code: Code, found: impl fmt::Display) -> Self {
        Self {
            code,
            text: one_line(&format!("{}: {found}", code.meaning())),
        }
    }

    /// Reads the line that a guard wrote, among the other lines of its stderr.
    pub fn find(stderr: &str) -> Option<Self> {
        stderr.lines().rev().find_map(|line| {
            let (code, text) = line.strip_prefix("refused ")?.split_once(": ")?;
            let code = Code::ALL.iter().find(|known| known.as_str() == code)?;
            Some(Self {
                code: *code,
                text: text.to_owned(),
            })
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused {}: {}", self.code, self.text)
    }
}

impl std::error::Error for Refusal {}

/// What others wrote, made fit for one line of a journal or a terminal.
pub fn one_line(text: &str) -> String {
    one_line_of(text, 300)
}

/// The same with no more than `limit` letters of it.
pub fn one_line_of(text: &str, limit: usize) -> String {
    let clean: String = text
        .chars()
        .take(limit)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(limit).is_some() {
        format!("{clean}…")
    } else {
        clean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn codes_differ_and_are_words() {
        let mut seen = std::collections::BTreeSet::new();
        for code in Code::ALL {
            assert!(seen.insert(code.as_str()), "{code} twice");
            let word = |byte: u8| byte.is_ascii_lowercase() || byte == b'-';
            assert!(code.as_str().bytes().all(word), "{code}");
            assert!(!code.meaning().is_empty() && !code.meaning().ends_with('.'));
            let json = serde_json::to_string(code).unwrap();
            assert_eq!(json, format!("\"{code}\""));
        }
    }

    proptest! {
        #[test]
        fn a_refusal_is_one_line_and_read_again(text in ".{0,400}", which in 0..Code::ALL.len()) {
            let refusal = Refusal::because(Code::ALL[which], text);
            let line = refusal.to_string();
            prop_assert_eq!(line.lines().count(), 1);
            prop_assert_eq!(Refusal::find(&format!("talk\n{line}\n")), Some(refusal));
        }

        #[test]
        fn any_stderr_is_read(text in "(refused )?.{0,200}") {
            let _ = Refusal::find(&text);
        }
    }
}
