//! Evaluates hosts in worker processes and builds each the moment it is evaluated.

mod evaluations;
mod memory;
mod progress;
mod slots;
