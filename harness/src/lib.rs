//! Real Debian machines in QEMU for tests: images, snapshots, control, network, faults.
//! Works without root, without KVM and without a bridge; knows nothing of what is tested on the machines.
//! Time-outs are guest seconds (see `Speed`); every error has a kind, an object, a cause and mostly a next step.

mod accel;
mod cache;
mod error;
mod gc;
mod harness;
mod image;
mod lan;
mod machine;
mod mutex;
mod network;
mod patience;
mod process;
mod progress;
mod qemu;
#[cfg(test)]
mod rig;
mod run;
mod runs;
pub mod scenario;
mod ssh;
mod tools;
mod transcript;

pub use accel::Wanted;
pub use error::{Error, ErrorKind, Result};
pub use gc::{Collected, Removed};
pub use harness::{BootSlot, Harness, Options, Speed};
pub use image::{kernel_options, GuestFile, Image, Recipe};
pub use lan::Lan;
pub use machine::{
    Cable, Exec, Kept, KeptAs, Machine, Nic, Origin, Prepare, Ready, Running, Spec, Terminal, Wait,
};
pub use network::Condition;
pub use process::{end_everything, Output};
pub use progress::Progress;
pub use qemu::{Accelerator, Boot, Event, Forward, Model};
pub use run::Run;
pub use runs::LivingRun;
pub use tools::Tools;
pub use transcript::{Entry, Transcript};
