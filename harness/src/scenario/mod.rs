//! Scenarios: files that say what is proved on machines, and the plays that are made of them.
//! Reads text and knows neither machines nor a fleet: the names of hosts and generations are handed in.

mod model;
mod placeholder;
mod play;
mod read;
mod resolve;

pub use model::*;
pub use placeholder::{fill, placeholders};
pub use play::{
    play, Closure, Closures, Controller, Failure, FaultTimes, Ground, Installation, Nix, Observer,
    Outcome, PlayOptions, Silent, StepOutcome, StepResult, Verdict,
};
pub use read::{read, ReadError, Scenario};
pub use resolve::{resolve, Known};
