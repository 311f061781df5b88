//! What is wrong with a fleet's secrets: the file or host, the fault, the cure.

use serde::Serialize;

use crate::fleet::host::HostName;

/// One fault, with what it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// A file, relative to the fleet, or a host.
    pub subject: String,
    pub fault: Fault,
    /// The fault in words.
    pub message: String,
    #[serde(rename = "try")]
    pub next_step: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Fault {
    /// A host has secrets and no key that they could be encrypted to.
    NoHostKey,
    /// A host has secrets that no operator can read.
    NoOperator,
    /// age takes no such key.
    BadKey,
    /// An operator's key is also one that deploys, or asks for releases.
    OperatorDeploys,
    /// An operator's key is also that of a host, which could read what is for others.
    OperatorIsHost,
    /// A secret comes from a file that is not the fleet's.
    OutsideOfFleet,
    NoFile,
    /// It is there, and git does not track it: Nix does not see it.
    Untracked,
    /// A format in which what is encrypted cannot be told.
    Unreadable,
    NotEncrypted,
    PlainValue,
    MissingRecipient,
    ForeignRecipient,
    /// An entry says another recipient than the one that can read it.
    FalseRecipient,
    /// Two entries say the same recipient, and age does not tell which of them is for whom.
    DoubleRecipient,
    /// Something else than age recipients can read it.
    OtherWay,
    NoSecret,
    /// `.sops.yaml` is not what the inventory says.
    StaleRules,
    PrivateKey,
}

impl Fault {
    /// Whether `rekey` makes it good.
    pub fn is_mended_by_rekey(self) -> bool {
        matches!(
            self,
            Self::MissingRecipient
                | Self::ForeignRecipient
                | Self::FalseRecipient
                | Self::OtherWay
                | Self::StaleRules
        )
    }

    /// Whether it leaves open to whom files are to be encrypted.
    pub fn is_in_the_way_of_rekey(self) -> bool {
        matches!(
            self,
            Self::NoHostKey | Self::NoOperator | Self::BadKey | Self::OperatorDeploys
        )
    }
}

pub const REKEY: &str = "cargo xtask secrets rekey";

pub fn of_host(host: &HostName, fault: Fault, message: String, next_step: &str) -> Finding {
    of_file(host.as_str(), fault, message, next_step)
}

pub fn of_file(file: &str, fault: Fault, message: String, next_step: &str) -> Finding {
    Finding {
        subject: file.to_owned(),
        fault,
        message,
        next_step: next_step.to_owned(),
    }
}
