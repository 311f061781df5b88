//! Slipway's guard: takes what a signed release names for this host, activates it, and keeps nothing that nobody
//! confirmed. Depends on no other crate of the workspace; xtask uses its types.

pub mod answer;
pub mod refusal;
pub mod release;
pub mod store_path;
pub mod time;
