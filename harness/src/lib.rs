//! Real Debian machines in QEMU for tests: images, snapshots, control, network, faults.
//! Knows nothing of what is tested on them.
#![allow(dead_code)]
mod cache;
mod error;
mod image;
mod process;
mod progress;
mod tools;
mod qemu; mod network; mod patience;

pub use error::{Error, ErrorKind, Result};
pub use image::{GuestFile, Image, Recipe};
pub use process::Output;
pub use progress::Progress;
pub use tools::Tools;
