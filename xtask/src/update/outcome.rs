//! What came of an update: the document of `update --json` (docs/json/update.schema.json).

use serde::Serialize;

use crate::build::outcome::Outcome;
use crate::deploy::plan::Reboot;
use crate::diff::ClosureDiff;
use crate::fleet::host::HostName;
use crate::fleet::lock::InputChange;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    /// The commit that it begins at.
    pub base: String,
    /// Inputs whose newest revisions were asked for; empty if the stage replaces all there are.
    pub asked: Vec<String>,
    /// What moved, came and went; empty if there was nothing to update.
    pub inputs: Vec<InputChange>,
    /// Inputs in whose place stand-ins were built, so that nothing is known of their revisions.
    pub replaced: Vec<String>,
    /// Where the lock file takes sources from, and did not before.
    pub new_sources: Vec<String>,
    pub hosts: Vec<HostUpdate>,
    /// None if there was nothing to commit, or a host does not build.
    pub commit: Option<Committed>,
    pub pull_request: Option<Proposed>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostUpdate {
    pub host: HostName,
    pub outcome: Outcome,
    /// Why it is not built.
    pub error: Option<String>,
    /// As the commit has it that the update begins at; none if one of the two is not built.
    pub old: Option<StorePath>,
    /// None if it does not evaluate.
    pub new: Option<StorePath>,
    /// None if nothing changes, or one of the two is not built.
    pub diff: Option<ClosureDiff>,
    /// Once it is deployed on a host that runs and booted the old one.
    pub reboot: Reboot,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Committed {
    pub branch: String,
    pub id: String,
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Proposed {
    pub number: u64,
    pub url: String,
    /// Why it waits for a person; empty if it merges itself.
    pub waits: Vec<String>,
}

impl HostUpdate {
    pub fn failed(&self) -> bool {
        matches!(
            self.outcome,
            Outcome::EvaluationFailed | Outcome::BuildFailed
        )
    }
}

impl Report {
    /// Hosts that do not build with the new revisions.
    pub fn failed(&self) -> Vec<&HostName> {
        let failed = self.hosts.iter().filter(|host| host.failed());
        failed.map(|host| &host.host).collect()
    }

    /// Why nobody but a person should merge this.
    pub fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        for (what, which) in [
            (
                "a reboot is due on",
                (|it| matches!(it, Reboot::Due { .. })) as fn(&Reboot) -> bool,
            ),
            ("nobody knows whether a reboot is due on", |it| {
                *it == Reboot::Unknown
            }),
        ] {
            let hosts = self.hosts.iter().filter(|host| which(&host.reboot));
            let names: Vec<&str> = hosts.map(|host| host.host.as_str()).collect();
            if !names.is_empty() {
                doubts.push(format!("{what} {}", names.join(", ")));
            }
        }
        if !self.new_sources.is_empty() {
            doubts.push(format!(
                "flake.lock takes sources from somewhere new: {}",
                self.new_sources.join(", ")
            ));
        }
        if !self.replaced.is_empty() {
            doubts.push(format!(
                "stage {} builds stand-ins in place of {}",
                self.stage,
                self.replaced.join(", ")
            ));
        }
        doubts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema;
    use crate::update::samples;

    #[test]
    fn the_document_is_as_its_schema_says() {
        let mut report = samples::report();
        report.pull_request = Some(Proposed {
            number: 7,
            url: "https://git.example.org/me/fleet/pulls/7".to_owned(),
            waits: report.doubts(),
        });
        report.hosts[0].outcome = Outcome::EvaluationFailed;
        report.hosts[0].new = None;
        report.hosts[0].reboot = Reboot::Unknown;
        let mut document = serde_json::to_value(&report).unwrap();
        assert_eq!(schema::complaints("update", &document), [""; 0]);
        document["hosts"][0]["more"] = true.into();
        document.as_object_mut().unwrap().remove("base");
        assert_eq!(schema::complaints("update", &document).len(), 2);
    }
}
