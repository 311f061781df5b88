//! Before anybody says yes: the hosts get what is new, and say themselves what activating it would do.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::host::{Host, Tools};
use super::journal::{Journal, Rollback};
use super::plan::{DryActivation, HostPlan, Plan};
use super::said;
use super::surprises::of_dry_activation;
use super::{work, Prepared, Released};
use crate::evaluate::Fleet;
use crate::failure::Failure;
use crate::report;
use crate::tools::deploy_rs::Mode;

/// What nix/activatable.nix has a dry activation say when it is over: deploy-rs calls it good whatever its exit code.
const DONE: &str = "dry activation done";

/// Has `switch-to-configuration dry-activate` run on each host that answers and whose plan is to activate something
/// live; what it said goes into the plan. Nothing of what runs or boots changes; a guard takes the release, and nothing
/// older from then on.
///
/// # Errors
/// As for carrying the plan out, before any host is touched. What becomes of a host is no error.
pub async fn activate(
    here: &Fleet,
    prepared: &mut Prepared,
    released: Option<&Released>,
    deploy_rs: PathBuf,
) -> Result<()> {
    // What a deployment that goes on had the guards take would be refused after this.
    let _lock = Journal::open(&work::folder(here)?)?;
    let is_asked = |plan: &&HostPlan| plan.action.is_live() && plan.unreachable.is_none();
    if !prepared.plan.hosts.iter().any(|plan| is_asked(&plan)) {
        report::say("no host has anything to activate, so that none is asked for a dry activation");
        return Ok(());
    }
    let work = work::of_plan(prepared, released, Rollback::None).await?;
    let tools = Arc::new(Tools::of(&prepared.fleet.nix, deploy_rs, &work).await?);
    let hosts = work.plan.hosts.iter().filter(is_asked);
    let mut asking = JoinSet::new();
    for host in hosts.filter_map(|plan| Host::of(&tools, &work, plan)) {
        report::say(&format!("{}: dry activation …", host.plan.host));
        asking.spawn(async move {
            let said = host.dry_activate().await;
            (host.plan.host, said)
        });
    }
    while let Some(answer) = asking.join_next().await {
        let (name, said) = answer?;
        let said = said?;
        let mut hosts = prepared.plan.hosts.iter_mut();
        if let Some(host) = hosts.find(|host| host.host == name) {
            match said {
                Ok(said) => host.dry_activation = Some(said),
                // Like one that did not answer before: what that means is the wave's to say.
                Err(why) => host.notes.push(format!("no dry activation: {why}")),
            }
        }
    }
    Ok(())
}

/// # Errors
/// Failed, if the dry activation failed on a host.
pub fn all_well(plan: &Plan) -> Result<(), Failure> {
    let has_failed = |host: &&HostPlan| {
        let said = host.dry_activation.as_ref();
        said.is_some_and(|said| said.failure.is_some())
    };
    let failed = plan.hosts.iter().filter(has_failed);
    let failed: Vec<&str> = failed.map(|host| host.host.as_str()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "nothing is deployed: the dry activation failed on {}",
        failed.join(", ")
    ))
    .try_next(
        "the same without the hosts that the plan shows to fail, or with what it says mended",
    ))
}

impl Host {
    /// The inner error says why the host does not answer.
    async fn dry_activate(&self) -> Result<Result<DryActivation, String>> {
        if self.plan.lacks_space() {
            return Ok(Ok(DryActivation::failed(
                "nothing is copied: its store has not enough space",
            )));
        }
        let live = match self.ask_until_nothing_goes_on().await? {
            Ok(live) => live,
            Err(why) => return Ok(Err(why)),
        };
        let guarded = live.guard.is_some();
        if guarded {
            if let Some(hindrance) = self.hand_over_release().await? {
                return Ok(Ok(DryActivation::failed(hindrance.why())));
            }
        }
        let output = self.call_deploy_rs(Mode::DryActivate).await?;
        let everything = said::everything(&output);
        let failure = if !output.status.success() {
            Some(said::failure(&output))
        } else if !guarded && !everything.contains(DONE) {
            Some("switch-to-configuration did not come to its end".to_owned())
        } else {
            None
        };
        if let Some(why) = failure {
            return Ok(Ok(DryActivation {
                log: said::last_lines(&output),
                ..DryActivation::failed(why)
            }));
        }
        let units = self.plan.units.as_ref();
        Ok(Ok(DryActivation {
            surprises: units.map_or_else(Vec::new, |units| of_dry_activation(units, &everything)),
            ..DryActivation::default()
        }))
    }
}
