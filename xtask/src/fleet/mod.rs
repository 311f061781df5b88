//! What is: hosts, the inventory, stages, flakes. Types and pure functions that use nothing of xtask but `failure`.

pub mod closure;
pub mod flake;
pub mod host;
pub mod inventory;
pub mod lock;
pub mod nearest;
pub mod refs;
pub mod stage;
pub mod store_path;

// What a guard keeps, too.
pub use guard::window;
