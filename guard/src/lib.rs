//! Slipway's guard: takes what a signed release names for this host, activates it, and keeps nothing that nobody
//! confirmed. Depends on no other crate of the workspace; xtask uses its types.

pub mod admission;
pub mod answer;
pub mod boot_loader;
pub mod builder;
pub mod cli;
pub mod client;
pub mod closure;
pub mod command;
pub mod config;
pub mod door;
pub mod early;
pub mod health;
pub mod history;
pub mod machine;
pub mod metrics;
pub mod process;
pub mod refusal;
pub mod release;
mod room;
pub mod roots;
pub mod runner;
pub mod serve;
pub mod signature;
pub mod state;
pub mod store_path;
pub mod system;
pub mod time;
pub mod toplevels;
pub mod upgrade;
pub mod whole_file;
pub mod window;
pub mod wire;
