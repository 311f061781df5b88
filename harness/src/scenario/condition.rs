//! The part of the model that speaks of machines: where, what is seen there, what they are, what is done to them.

use serde::Serialize;

/// Where something is done or looked at; serialised as `"controller"` or the machine's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(into = "String")]
pub enum Place {
    Controller,
    Machine(String),
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        match place {
            Place::Controller => CONTROLLER.to_owned(),
            Place::Machine(name) => name,
        }
    }
}

/// The name that no machine may have.
pub const CONTROLLER: &str = "controller";

/// Something that is reached sooner or later.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Point {
    Seen {
        on: Place,
        sight: Sight,
    },
    /// The running command has printed this. Only within `during`.
    Output(String),
    /// Seconds of guest time since the command began. Only within `during`.
    After(f64),
}

/// What can be looked for. `Unit` and all below it are never looked for on the controller, and generations only on hosts'
/// machines.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// Something listens on this TCP port.
    Port(u16),
    /// A file of this glob exists.
    File(String),
    /// No file of this glob exists.
    NoFile(String),
    Http {
        url: String,
        status: u16,
        text: Option<String>,
    },
    /// As for `pgrep -f`.
    Process(String),
    /// The unit is active.
    Unit(String),
    /// A line of this boot, or within `during` one since the step began.
    Journal {
        text: String,
        unit: Option<String>,
    },
    Running(String),
    Profile(String),
    BootDefault(String),
}

/// One thing that is true of a machine; the generations are the machine's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    Running(String),
    Booted(String),
    BootDefault(String),
    Profile(String),
    /// Whether sshd answers over the machines' network.
    Reachable(bool),
    /// Exactly these.
    FailedUnits(Vec<String>),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Network {
    /// Nothing passes, and the machine is not told.
    Cut,
    Restored,
    /// The carrier is gone.
    Unplugged,
    #[serde(rename_all = "kebab-case")]
    Shaped {
        /// Each way.
        delay_ms: u64,
        /// 0 to 1.
        loss: f64,
        /// None: as fast as it goes.
        bytes_per_second: Option<u64>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disk {
    Full,
    Freed,
    ReadOnly,
    Writable,
}
