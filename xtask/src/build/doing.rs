//! What a host is doing while it is built.

/// A host's work, for its live line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Evaluating,
    /// Evaluated, and a build process is asked for it.
    Starting,
    Copying {
        done: usize,
        all: usize,
    },
    Building {
        done: usize,
        all: usize,
    },
}

impl Doing {
    pub fn words(self) -> String {
        match self {
            Self::Evaluating => "evaluating".to_owned(),
            Self::Starting => "waiting to build".to_owned(),
            Self::Copying { done, all } => format!("copying {done} of {all}"),
            Self::Building { done, all } => format!("building {done} of {all}"),
        }
    }

    /// It may take long.
    pub fn is_work(self) -> bool {
        matches!(self, Self::Copying { .. } | Self::Building { .. })
    }
}
