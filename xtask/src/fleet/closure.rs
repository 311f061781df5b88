//! What of a host is copied from machine to machine.

use super::store_path::StorePath;

/// A host's closure, by what refers to all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    /// The system, which runs.
    pub toplevel: StorePath,
    /// The system with deploy-rs's own programs beside it; none of a host that nobody deploys.
    pub profile: Option<StorePath>,
}

impl Closure {
    /// All that has to be there, so that nothing is missing below it.
    pub fn tops(&self) -> impl Iterator<Item = &StorePath> {
        std::iter::once(&self.toplevel).chain(&self.profile)
    }
}
