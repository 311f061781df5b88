//! What `switch-to-configuration dry-activate` on a host said of its plan.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DryActivation {
    /// What it would do to units beside the plan, a line for each kind of thing: `would restart nginx.service`.
    pub surprises: Vec<String>,
    /// Why it failed; none if it did not.
    pub failure: Option<String>,
    /// The last lines that explain it; empty if it did not fail.
    pub log: Vec<String>,
}

impl DryActivation {
    pub fn failed(why: impl Into<String>) -> Self {
        Self {
            failure: Some(why.into()),
            ..Self::default()
        }
    }

    /// In a line.
    pub fn words(&self) -> String {
        match &self.failure {
            Some(why) => format!("failed: {why}"),
            None if self.surprises.is_empty() => "as foretold".to_owned(),
            None => format!("not foretold: {}", self.surprises.join("; ")),
        }
    }
}
