//! One QEMU process: command line, monitor, guest agent. Knows nothing of what the guest is for.

pub(crate) mod agent;
pub(crate) mod args;
pub(crate) mod process;
pub(crate) mod qmp;

pub use args::{Accelerator, Boot, Forward, Model};
pub use qmp::Event;
