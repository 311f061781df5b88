//! What becomes of each host: known from earlier, to be built, or done.

use anyhow::{Context, Result};

use super::Run;
use crate::build::doing::Doing;
use crate::build::outcome::{Error, Host, Outcome};
use crate::evaluate::apply::HostEvaluation;
use crate::fleet::host::HostName;

impl Run {
    /// A host of an earlier run still holds: it is done, or built again.
    pub(super) async fn take_known(&mut self, known: HostEvaluation) -> Result<()> {
        match self.reuse.closure_size(&known.host) {
            Some(size) => self.already_built(known, size),
            None => self.take(known, None).await?,
        }
        Ok(())
    }

    /// A host is evaluated: it is built if something here builds for its system.
    pub(super) async fn take(
        &mut self,
        evaluation: HostEvaluation,
        seconds: Option<f64>,
    ) -> Result<()> {
        let host = evaluation.host.clone();
        let system = (evaluation.inventory.as_ref()).map(|entry| entry.system.clone());
        let toplevel = evaluation
            .toplevel
            .with_context(|| format!("the evaluation of host {host} gave no toplevel"))?;
        let mut row = Host {
            system: system.clone(),
            toplevel: Some(toplevel.out),
            profile: evaluation.profile,
            derivation: Some(toplevel.drv),
            evaluation_seconds: seconds,
            ..Host::new(host.clone(), Outcome::EvaluatedOnly)
        };
        if let Some(system) = system {
            if !self.builds_for(&system).await? {
                row.error = Some(Error::new(format!(
                    "host {host} is not built here: no builder for {system}"
                )));
                self.end(row);
                return Ok(());
            }
        }
        self.doing(&host, Doing::Starting);
        self.builds.expect(row);
        self.ready.push(host);
        Ok(())
    }

    async fn builds_for(&mut self, system: &str) -> Result<bool> {
        // The usual case costs no question.
        if system == format!("{}-linux", std::env::consts::ARCH) {
            return Ok(true);
        }
        let systems = match self.systems.take() {
            Some(systems) => systems,
            None => self.fleet.nix.capabilities().await?.systems(),
        };
        let found = systems.contains(system);
        self.systems = Some(systems);
        Ok(found)
    }

    fn already_built(&mut self, known: HostEvaluation, size: u64) {
        self.end(Host {
            system: known.inventory.map(|entry| entry.system),
            derivation: known.toplevel.as_ref().map(|it| it.drv.clone()),
            toplevel: known.toplevel.map(|it| it.out),
            profile: known.profile,
            closure_size: Some(size),
            ..Host::new(known.host, Outcome::AlreadyBuilt)
        });
    }

    pub(super) fn end(&mut self, row: Host) {
        let words = match &row.error {
            // The whole error follows at the end, where it is not lost among the others' lines.
            Some(_) => row.outcome.words().to_owned(),
            None => row.words(),
        };
        let good = !matches!(
            row.outcome,
            Outcome::EvaluationFailed | Outcome::BuildFailed
        );
        let news = row.outcome != Outcome::AlreadyBuilt || row.evaluation_seconds.is_some();
        self.live
            .done(row.host.as_str(), news.then_some(&words), good);
        self.hosts.insert(row.host.clone(), row);
    }

    pub(super) fn doing(&mut self, host: &HostName, doing: Doing) {
        self.live
            .doing(host.as_str(), &doing.words(), doing.is_work());
    }
}
