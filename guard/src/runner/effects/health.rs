//! The health of what has just been activated.

use std::time::{Duration, Instant};

use anyhow::{ensure, Result};

use super::Real;
use crate::client;
use crate::config::Config;
use crate::health;
use crate::machine::Result as StepResult;

/// The service may just be starting again, as a newer one.
const GUARD_WITHIN: Duration = Duration::from_secs(20);
const PAUSE: Duration = Duration::from_millis(300);

impl Real<'_, '_> {
    pub(super) fn health(&mut self) -> StepResult {
        match self.unhealthy() {
            Ok(found) if found.is_empty() => StepResult::Done,
            Ok(found) => {
                let text = format!("not healthy: {}", found.join("; "));
                self.runner.say(&text);
                StepResult::Failed(text)
            }
            Err(error) => self.failed(&error),
        }
    }

    fn unhealthy(&self) -> Result<Vec<String>> {
        let new = self.candidate();
        let running = self.runner.system().toplevels().running();
        ensure!(
            running.as_ref() == Some(&new),
            "{new} was activated, but does not run"
        );
        let config = self.runner.config;
        // What the new configuration asks for, once it runs.
        let its = Config::of_toplevel(&new)?;
        let removed = its.is_none();
        let checks = its.map_or_else(|| config.health_checks.clone(), |its| its.health_checks);
        let mut found = health::failed_checks(config, &checks, &self.runner.log);
        found.extend(
            self.newly_failed()?
                .into_iter()
                .map(|unit| format!("{unit} failed")),
        );
        if !removed {
            if let Err(error) = self.guard_answers() {
                found.push(format!("the guard does not answer: {error:#}"));
            }
        }
        Ok(found)
    }

    pub(super) fn newly_failed(&self) -> Result<Vec<String>> {
        let now = self.runner.system().failed_units()?;
        Ok(health::newly_failed(&self.failed_before, &now))
    }

    fn guard_answers(&self) -> Result<()> {
        let begun = Instant::now();
        loop {
            let answered = client::status(&self.runner.config.places.socket);
            match answered {
                Ok(_) => return Ok(()),
                Err(error) if begun.elapsed() > GUARD_WITHIN => return Err(error),
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }
}
