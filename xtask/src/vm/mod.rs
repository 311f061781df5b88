//! Machines to look at: any host of the fleet, and machines that a failed play left. Each is held by a process of its
//! own (`holder`) that outlives the command that started it; all others talk to that process (`wire`).

mod attach;
pub mod gc;
pub mod holder;
pub mod list;
mod name;
mod nixos;
mod place;
pub mod render;
mod shell;
mod start;
mod stop;
mod wire;

pub use place::Port;
pub use shell::{console, shell};
pub use start::{of, start, Started, Wanted};
pub use stop::stop;
