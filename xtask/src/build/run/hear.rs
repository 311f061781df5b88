//! What follows when a worker or a build says something, or ends.

use anyhow::Result;

use super::Run;
use crate::build::doing::Doing;
use crate::build::evaluations::Verdict;
use crate::build::failures;
use crate::build::outcome::{Host, Outcome};
use crate::build::worker::Message;
use crate::build::workers::Ended;
use crate::tools::nix::log;

impl Run {
    pub(super) async fn hear(&mut self, message: Message) -> Result<()> {
        match message {
            Message::WorkerStarted(id, pid) => self.workers.started(id, pid),
            Message::WorkerSaid(id, event) => {
                let memory = &mut self.evaluations.memory;
                let said = self.workers.said(id, *event, memory);
                if let Some(overview) = said.overview.map(|it| self.fleet.complete(it)) {
                    if self
                        .assumed
                        .take()
                        .is_some_and(|assumed| assumed != overview)
                    {
                        self.other = Some(overview);
                        return Ok(());
                    }
                }
                if let Some(seconds) = said.start {
                    self.evaluations.saw_start(seconds);
                }
                if let Some(host) = said.begun {
                    self.doing(&host, Doing::Evaluating);
                }
                if let Some(warning) = said.warning {
                    self.live.say(&format!("warning: {warning}"));
                }
                if let Some(more) = said.more_warnings {
                    self.live.say(&more);
                }
                if let Some((evaluation, seconds)) = said.done {
                    self.evaluations.saw_host(seconds);
                    let host = evaluation.host.clone();
                    if let Some(entry) = &evaluation.inventory {
                        self.entries.insert(host.clone(), entry.clone());
                    }
                    self.evaluated.insert(host, evaluation.clone());
                    self.take(evaluation, Some(seconds)).await?;
                }
            }
            Message::WorkerEnded(id, output) => {
                if let Some(ended) = self.workers.ended(id, output?) {
                    if let Some(more) = &ended.more_warnings {
                        self.live.say(more);
                    }
                    self.worker_ended(ended)?;
                }
            }
            Message::BuildSaid(_, log::Event::Waiting(what)) => {
                if self.waits.insert(what.clone()) {
                    self.live.say(&format!("another process is busy: {what}"));
                }
            }
            Message::BuildSaid(id, event) => {
                for (host, doing) in self.builds.said(id, event) {
                    self.doing(&host, doing);
                }
            }
            Message::BuildEnded(id, built) => {
                let built = built?;
                if let Some(error) = &built.unkept {
                    let text = format!("warning: cannot keep closures: {error:#}");
                    self.live.say(&text);
                }
                for host in self.builds.ended(id, built, &self.fleet.nix.words()) {
                    self.end(host);
                }
            }
        }
        Ok(())
    }

    fn worker_ended(&mut self, ended: Ended) -> Result<()> {
        let budget = self.evaluations.memory.budget();
        let verdict =
            self.evaluations
                .ended(ended.batch.clone(), ended.done, ended.begun, ended.ending);
        let (host, error) = match verdict {
            Verdict::Continue => return Ok(()),
            Verdict::Fleet => {
                let text = ended.message(&self.fleet);
                let message = format!("cannot evaluate the fleet: {text}");
                return Err(self.fleet.failure(message).into());
            }
            Verdict::TooLarge(host) => {
                let error = failures::too_large(&host, budget);
                (host, error)
            }
            Verdict::Failed(host) => {
                let text = ended.message(&self.fleet);
                let error = failures::evaluation(&host, &text, self.fleet.after_error(&text));
                (host, error)
            }
        };
        self.end(Host {
            error: Some(error),
            ..Host::new(host, Outcome::EvaluationFailed)
        });
        Ok(())
    }
}
