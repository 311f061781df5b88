//! The one callback through which the harness talks while it works. It never prints.

use std::fmt;
use std::sync::Arc;

type Report = dyn Fn(&str, &str) + Send + Sync;

/// Called with the object (`image`, a machine's name) and the step it is at, from any thread.
#[derive(Clone)]
pub struct Progress(Arc<Report>);

impl Progress {
    pub fn new(report: impl Fn(&str, &str) + Send + Sync + 'static) -> Self {
        Self(Arc::new(report))
    }

    /// Tells nobody.
    pub fn silent() -> Self {
        Self::new(|_, _| ())
    }

    pub(crate) fn say(&self, object: &str, step: &str) {
        (self.0)(object, step);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Progress")
    }
}
