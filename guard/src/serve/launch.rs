//! Starts an activation as a process that lives on without the service.

use std::io::Read;

use anyhow::{Context, Result};

use super::Service;
use crate::admission::{Asker, Wish};
use crate::process::Program;
use crate::runner::Order;

impl Service {
    /// The id of what was begun.
    pub(super) fn launch(&self, asker: &Asker, wish: Wish) -> Result<String> {
        let order = Order {
            id: id()?,
            wish,
            asker: asker.clone(),
        };
        let path = self.meeting.place_order(&order)?;
        let me = std::env::current_exe().context("the guard does not know its own program")?;
        let words = |program: Program| {
            program
                .args(["activate", "--config"])
                .args([&self.config_file])
                .args(["--order"])
                .args([&path])
        };
        match &self.config.programs.systemd_run {
            Some(systemd_run) => {
                let unit = format!("--unit=slipway-activation-{}", order.id);
                let run = Program::new(systemd_run)
                    .args(["--quiet", "--collect", "--service-type=exec", &unit])
                    .args([
                        "--property=KillMode=mixed",
                        "--property=OOMScoreAdjust=-500",
                        "--",
                    ])
                    .args([&me]);
                words(run).output()?;
            }
            None => {
                let mut child = words(Program::new(&me)).detach()?;
                // Nobody else would wait for it.
                std::thread::spawn(move || child.wait());
            }
        }
        Ok(order.id)
    }
}

/// The time first, so that a folder lists them in order; the rest cannot be guessed.
fn id() -> Result<String> {
    let mut random = [0; 6];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut random))
        .context("there are no random numbers")?;
    let tail: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{:010x}-{tail}", crate::time::Time::now().unix()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_ids_and_differ() {
        let (one, other) = (id().unwrap(), id().unwrap());
        assert!(crate::wire::is_id(&one));
        assert_ne!(one, other);
    }
}
