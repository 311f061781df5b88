//! Networks between machines, in this process: no root, no bridge, nothing outside unix sockets.
//! Each machine's cable can be cut, slowed and made lossy on its own.

mod condition;
mod frame;
mod port;
mod switch;

pub use condition::Condition;
pub(crate) use switch::Switch;
