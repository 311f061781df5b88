//! Scenarios: files that say what is proved on machines, and the plays that are made of them.
//! What is outside of `play/` reads text and knows no machine; `play/` plays it. Neither knows a fleet: the names of hosts
//! and generations are handed in.

mod condition;
mod controls;
mod deployments;
mod each;
mod expect;
mod fault;
mod machines;
mod model;
mod names;
mod nearest;
mod placeholder;
mod play;
mod points;
mod read;
mod reference;
mod resolve;
mod schema;
mod spot;
mod state;
mod steps;
mod tables;
#[cfg(test)]
mod tests;
mod tree;
mod typed;
mod verbs;
mod words;

pub use condition::*;
pub use fault::ReadError;
pub use model::*;
pub use placeholder::{fill, placeholders};
pub use play::{
    play, Closure, Closures, Controller, Failure, FaultTimes, Ground, Installation, Nix, Observer,
    Outcome, PlayOptions, Silent, StepOutcome, StepResult, Trust, Verdict,
};
pub use read::{read, Scenario};
pub use reference::reference;
pub use resolve::{resolve, Known};
pub use schema::schema;
