//! What became of each host, as the host itself says: pure, and the report's types, which are also its JSON
//! (docs/json/deployment.schema.json).

use guard::answer::HostState;
use serde::{Deserialize, Serialize};

use super::live::Live;
use super::plan::{Action, HostPlan};
use crate::fleet::host::HostName;
use crate::fleet::stage::Stage;
use crate::fleet::store_path::StorePath;

/// The whole report, hosts in the order of the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub version: u32,
    pub stage: Stage,
    pub reference: String,
    pub commit: Option<String>,
    pub seconds: f64,
    /// Whether every host has what it should have.
    pub good: bool,
    pub hosts: Vec<HostReport>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostReport {
    pub host: HostName,
    pub wave: u32,
    pub outcome: Outcome,
    pub new: StorePath,
    /// What it runs, as it said last; null if it was not asked or did not answer.
    pub running: Option<StorePath>,
    pub seconds: f64,
    /// The last lines that deploy-rs printed, where that explains the outcome.
    pub log: Vec<String>,
    /// What its switch did to units beside what the plan foretold.
    #[serde(default)]
    pub surprises: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Outcome {
    /// It had what it should have.
    Unchanged,
    /// Its closure was built, and nothing else was asked for: whatever it runs, it was not touched.
    Built,
    /// It runs it, and boots it.
    Deployed,
    /// It boots it the next time.
    BootPending,
    /// It boots it the next time only, and then if it came up healthy.
    OnTrial,
    /// It runs it for now; until then, in RFC 3339, or until its next boot.
    Test { until: Option<String> },
    /// It runs and boots what it did before.
    RolledBack { why: String },
    /// Nobody knows what it runs: it does not answer. `tried` is whether it was touched before that.
    Unreachable { why: String, tried: bool },
    /// It runs, boots or has as profile something else than it should, and than it did.
    Unclear { why: String },
    /// It was not touched.
    NotTried { why: String },
}

impl Outcome {
    pub fn is_good(&self) -> bool {
        match self {
            Self::Unchanged
            | Self::Built
            | Self::Deployed
            | Self::BootPending
            | Self::OnTrial
            | Self::Test { .. } => true,
            Self::RolledBack { .. }
            | Self::Unreachable { .. }
            | Self::Unclear { .. }
            | Self::NotTried { .. } => false,
        }
    }

    pub fn words(&self) -> String {
        match self {
            Self::Unchanged => "unchanged".to_owned(),
            Self::Built => "only built".to_owned(),
            Self::Deployed => "deployed".to_owned(),
            Self::BootPending => "boot pending".to_owned(),
            Self::OnTrial => "on trial".to_owned(),
            Self::Test { until: Some(until) } => format!("test until {until}"),
            Self::Test { until: None } => "test until its next boot".to_owned(),
            Self::RolledBack { .. } => "rolled back".to_owned(),
            Self::Unreachable { .. } => "unreachable".to_owned(),
            Self::Unclear { .. } => "unclear".to_owned(),
            Self::NotTried { .. } => "not tried".to_owned(),
        }
    }

    pub fn why(&self) -> Option<&str> {
        match self {
            Self::RolledBack { why }
            | Self::Unreachable { why, .. }
            | Self::Unclear { why }
            | Self::NotTried { why } => Some(why),
            _ => None,
        }
    }
}

/// Where a host stands after it was deployed; none if it has not settled, so that it is to be asked again.
pub fn judge(plan: &HostPlan, before: &Live, after: &Live, failure: &str) -> Option<Outcome> {
    if after.is_busy() {
        return None;
    }
    let is_new = |path: &Option<StorePath>| path.as_ref() == Some(&plan.new);
    let guarded = after.guard.is_some();
    let good = match plan.action {
        Action::Switch if is_new(&after.running) && is_new(&after.boot_default) => {
            Some(Outcome::Deployed)
        }
        Action::Boot if matches!(after.state, HostState::OnTrial { .. }) => Some(Outcome::OnTrial),
        Action::Boot if is_new(&after.boot_default) => Some(Outcome::BootPending),
        Action::Test { .. } if is_new(&after.running) => match &after.state {
            HostState::TestUntil { until } => Some(Outcome::Test {
                until: Some(until.to_string()),
            }),
            // What boots cannot be asked where there is no guard.
            _ if !guarded => Some(Outcome::Test { until: None }),
            _ => None,
        },
        Action::Unchanged => Some(Outcome::Unchanged),
        Action::Build => Some(Outcome::Built),
        _ => None,
    };
    if good.is_some() {
        return good;
    }
    let as_before = after.running == before.running
        && after.boot_default == before.boot_default
        && after.profile == before.profile;
    // A controller that follows a killed one may have met the host half-way.
    let as_planned_from = plan.old.is_some()
        && after.running == plan.old
        && after.boot_default == plan.old
        && after.profile == plan.old;
    if as_before || as_planned_from {
        return Some(Outcome::RolledBack {
            why: failure.to_owned(),
        });
    }
    None
}

/// What is said of a host that has not settled in time.
pub fn unsettled(plan: &HostPlan, after: &Live) -> Outcome {
    let what = |path: &Option<StorePath>| match path {
        Some(path) if *path == plan.new => "the new closure".to_owned(),
        Some(path) if Some(path) == plan.old.as_ref() => "the old closure".to_owned(),
        Some(path) => path.to_string(),
        None => "nothing that is known".to_owned(),
    };
    Outcome::Unclear {
        why: format!(
            "it runs {}, boots {}, and is {}",
            what(&after.running),
            what(&after.boot_default),
            super::live::words(&after.state)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::plan::tests::{known, live, path, wish};
    use crate::deploy::plan::{plan, Before};
    use crate::fleet::refs::Meaning;

    fn host_plan(action: Action) -> HostPlan {
        let wish = wish(Meaning::Deploy { boot: false });
        let mut plan = plan(&wish, vec![known(Before::Live(live('o', 'o')))])
            .pop()
            .unwrap();
        plan.action = action;
        plan
    }

    fn judged(action: Action, after: &Live) -> Option<Outcome> {
        judge(&host_plan(action), &live('o', 'o'), after, "it failed")
    }

    const TEST: Action = Action::Test {
        lease_seconds: Some(60),
    };

    #[test]
    fn success_is_what_the_host_says() {
        assert_eq!(
            judged(Action::Switch, &live('n', 'n')),
            Some(Outcome::Deployed)
        );
        assert_eq!(
            judged(Action::Boot, &live('o', 'n')),
            Some(Outcome::BootPending)
        );
        let test = Outcome::Test { until: None };
        assert_eq!(judged(TEST, &live('n', 'o')), Some(test));
        let mut leased = live('n', 'o');
        leased.state = HostState::TestUntil {
            until: guard::time::Time::from_unix(0),
        };
        let until = Some("1970-01-01T00:00:00Z".to_owned());
        assert_eq!(judged(TEST, &leased), Some(Outcome::Test { until }));
        let mut trial = live('o', 'o');
        trial.state = HostState::OnTrial { booted: false };
        assert_eq!(judged(Action::Boot, &trial), Some(Outcome::OnTrial));
    }

    #[test]
    fn what_it_was_before_is_rolled_back() {
        for action in [Action::Switch, Action::Boot, TEST] {
            let why = "it failed".to_owned();
            let back = Some(Outcome::RolledBack { why });
            assert_eq!(judged(action, &live('o', 'o')), back);
        }
    }

    #[test]
    fn anything_between_is_asked_again_and_then_told() {
        let half = live('n', 'o');
        assert_eq!(judged(Action::Switch, &half), None);
        let Outcome::Unclear { why } = unsettled(&host_plan(Action::Switch), &half) else {
            panic!()
        };
        assert_eq!(
            why,
            "it runs the new closure, boots the old closure, and is idle"
        );
        let mut busy = live('n', 'n');
        busy.state = HostState::AwaitingConfirmation {
            until: guard::time::Time::from_unix(0),
        };
        assert_eq!(judged(Action::Switch, &busy), None);
        let mut profile = live('o', 'o');
        profile.profile = Some(path('n'));
        assert_eq!(
            judged(Action::Switch, &profile),
            None,
            "its profile is left behind"
        );
    }
}
