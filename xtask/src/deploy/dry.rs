//! Before anybody says yes: the hosts get what is new, and say themselves what activating it would do.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;

use super::host::{Host, Tools};
use super::plan::{DryActivation, HostPlan, Plan};
use super::said;
use super::surprises::of_dry_activation;
use super::{ask, work, Prepared, Released};
use crate::failure::Failure;
use crate::report;
use crate::tools::deploy_rs::Mode;
use crate::tools::ssh::Ssh;

/// `switch-to-configuration`, once it knows what to do with units. deploy-rs calls a dry activation good whatever its exit
/// code is.
const CAME_SO_FAR: &str = "would activate the configuration";

/// Has `switch-to-configuration dry-activate` run on each host that answers and whose plan is to activate something
/// live; what it said goes into the plan. Nothing of what runs or boots changes.
///
/// # Errors
/// As for carrying the plan out, before any host is touched. What becomes of a host is no error.
pub async fn activate(
    prepared: &mut Prepared,
    released: Option<&Released>,
    deploy_rs: PathBuf,
) -> Result<()> {
    let jobs = work::jobs(prepared, released).await?;
    let stage = prepared.plan.stage;
    let targets: Vec<_> = jobs
        .values()
        .filter_map(|job| ask::target(&job.host, stage, prepared.place))
        .collect();
    let tools = Arc::new(Tools {
        nix: prepared.fleet.nix.clone(),
        deploy_rs,
        ssh: Ssh::knowing(&targets).await?,
        release: released.map(|it| it.signed.clone()),
    });
    let mut asking = JoinSet::new();
    let wanted = |plan: &&HostPlan| plan.action.is_live() && plan.unreachable.is_none();
    for plan in prepared.plan.hosts.iter().filter(wanted) {
        let Some(job) = jobs.get(&plan.host) else {
            continue;
        };
        let Some(target) = ask::target(&job.host, stage, prepared.place) else {
            continue;
        };
        let host = Host {
            tools: Arc::clone(&tools),
            target,
            plan: plan.clone(),
            job: job.clone(),
        };
        report::say(&format!("{}: dry-activate …", plan.host));
        asking.spawn(async move {
            let said = host.dry_activate().await;
            (host.plan.host, said)
        });
    }
    while let Some(answer) = asking.join_next().await {
        let (name, said) = answer?;
        let said = said?;
        let hosts = prepared.plan.hosts.iter_mut();
        for host in hosts.filter(|host| host.host == name) {
            host.dry_activation = Some(said.clone());
        }
    }
    Ok(())
}

/// What stands in the way of deploying the plan.
///
/// # Errors
/// Failed, if a host could not say what activating would do.
pub fn all_well(plan: &Plan) -> Result<(), Failure> {
    let failed: Vec<&str> = plan
        .hosts
        .iter()
        .filter(|host| {
            host.dry_activation
                .as_ref()
                .is_some_and(DryActivation::failed)
        })
        .map(|host| host.host.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "nothing is deployed: the dry activation failed on {}",
        failed.join(", ")
    ))
    .try_next("what the plan says of it"))
}

impl Host {
    async fn dry_activate(&self) -> Result<DryActivation> {
        let failed = |why: String| DryActivation {
            surprises: Vec::new(),
            failure: Some(why),
        };
        let live = match self.ask().await? {
            Ok(live) => live,
            Err(why) => return Ok(failed(why)),
        };
        if live.guard.is_some() {
            if let Some(hindrance) = self.hand_over_release().await? {
                return Ok(failed(hindrance.why()));
            }
        }
        let output = self.call_deploy_rs(Mode::DryActivate).await?;
        if !output.status.success() {
            return Ok(failed(said::failure(&output)));
        }
        let everything = said::everything(&output);
        if !everything.contains(CAME_SO_FAR) {
            let lines = said::last_lines(&output);
            let of_host = |line: &&String| !line.contains("[INFO]");
            let last = lines.iter().rfind(of_host).cloned().unwrap_or_default();
            return Ok(failed(format!(
                "switch-to-configuration did not say what it would do: {last}"
            )));
        }
        let units = self.plan.units.clone().unwrap_or_default();
        Ok(DryActivation {
            surprises: of_dry_activation(&units, &everything),
            failure: None,
        })
    }
}
