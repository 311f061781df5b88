//! Pull mode: the host asks for its newest release itself and has it activated by the guard, as whoever holds a key does.
//! It runs as a user of its own, to whom the guard gives less than to CI.

mod activate;
mod fetch;
pub mod figures;
pub mod hydra;
pub mod plan;
mod settings;

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::answer::{Accepted, BuildAccepted, Done, History, HostState, Status, UpgradeResult};
use crate::client;
use crate::command::TEXT_LIMIT;
use crate::config::read_bounded;
use crate::refusal::{one_line, Code, Refusal, EXIT_CODE};
use crate::release::{Release, SignedRelease};
use crate::time::Time;
use crate::window::{Opening, Window};
use crate::wire::Request;
use plan::{Candidate, Next};
use settings::Partly;

pub use settings::{Settings, Source, FILE};

/// sysexits' EX_TEMPFAIL: the next look may find it otherwise.
const NOT_NOW: i32 = 75;
/// Entries of the record among which an earlier attempt is looked for; all that one answer has.
const ENTRIES: u16 = 1000;

/// What one look came to.
#[derive(Debug)]
struct Outcome {
    result: UpgradeResult,
    text: String,
}

impl Outcome {
    fn new(result: UpgradeResult, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { result, text }
    }

    /// What is only in the way for now is no reason to look into it.
    fn of_refusal(refusal: &Refusal) -> Self {
        let result = match refusal.code {
            Code::Busy | Code::Held | Code::OnTrial => UpgradeResult::Waiting,
            _ => UpgradeResult::Refused,
        };
        Self::new(result, refusal.to_string())
    }

    fn exit_code(&self) -> i32 {
        match self.result {
            UpgradeResult::UpToDate | UpgradeResult::Upgraded => 0,
            UpgradeResult::Waiting => NOT_NOW,
            UpgradeResult::Refused => EXIT_CODE,
            UpgradeResult::Failed => 1,
        }
    }
}

/// Looks once; the exit code.
///
/// # Errors
/// If the settings cannot be read.
pub fn run(file: &Path) -> Result<i32> {
    let settings = Settings::read(file)?;
    let outcome = Look {
        settings: &settings,
        file,
    }
    .outcome();
    say(&format!("{}: {}", outcome.result.as_str(), outcome.text));
    if let Err(error) = tell(&settings, &outcome) {
        say(&format!("the guard does not know of it: {error:#}"));
    }
    if settings.reboot {
        if let Err(error) = reboot(&settings) {
            say(&format!("not rebooted: {error:#}"));
        }
    }
    Ok(outcome.exit_code())
}

/// For the journal; that nobody reads it is no reason to stop.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{}", one_line(line));
}

fn tell(settings: &Settings, outcome: &Outcome) -> Result<()> {
    let mut text = one_line(&outcome.text);
    while text.len() > TEXT_LIMIT {
        text.pop();
    }
    let mut words = vec!["upgraded", "--result", outcome.result.as_str()];
    if !text.is_empty() {
        words.extend(["--text", &text]);
    }
    client::document::<Done>(&settings.socket, &Request::of(words)).map(drop)
}

/// Where a reboot is due, and may be now. The guard has the last word.
fn reboot(settings: &Settings) -> Result<()> {
    let status = client::status(&settings.socket)?;
    if !may_reboot(&status, settings.window.as_ref(), Time::now()) {
        return Ok(());
    }
    say("a reboot is due, and its window is open");
    client::document::<Done>(&settings.socket, &Request::of(["reboot"])).map(drop)
}

fn may_reboot(status: &Status, window: Option<&Window>, now: Time) -> bool {
    let due = match status.state {
        HostState::OnTrial { booted } => !booted,
        HostState::Idle => !status.reboot_due.is_empty(),
        // A reboot would end what somebody is doing.
        _ => false,
    };
    let open = window.is_none_or(|window| window.at(now.unix()) == Opening::Open);
    due && open && status.unattended_reboot
}

struct Look<'a> {
    settings: &'a Settings,
    /// Where the settings are, after an activation too.
    file: &'a Path,
}

impl Look<'_> {
    fn outcome(&self) -> Outcome {
        match self.look() {
            Ok(outcome) => outcome,
            Err(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => Outcome::of_refusal(&refusal),
                Err(error) => Outcome::new(UpgradeResult::Failed, format!("{error:#}")),
            },
        }
    }

    fn look(&self) -> Result<Outcome> {
        let settings = self.settings;
        let status = client::status(&settings.socket)?;
        let bytes = match fetch::document(&settings.programs.curl, &settings.source) {
            Ok(bytes) => bytes,
            // A host that is on the road has no cache.
            Err(error) => {
                return Ok(Outcome::new(UpgradeResult::Waiting, format!("{error:#}")));
            }
        };
        let found = self.found(&bytes)?;
        let candidate = found.candidate();
        // What the guard has seen and is not to be done again is not asked for again: its time may be over by now.
        let seen = candidate.release.is_some() && candidate.release == status.last_release;
        let history: History = client::document(
            &settings.socket,
            &Request::of(["history", "--limit", &ENTRIES.to_string()]),
        )?;
        let next = plan::next(candidate, &status, &history);
        let passed_over = match found {
            Found::Release { .. } => seen,
            // The host may have it from elsewhere.
            Found::Build { .. } => matches!(next, Next::Has(_)),
        };
        if !passed_over || next == Next::Activate {
            self.accept(&found)?;
        }
        match next {
            Next::Has(text) => return Ok(Outcome::new(UpgradeResult::UpToDate, text)),
            Next::Wait(text) => return Ok(Outcome::new(UpgradeResult::Waiting, text)),
            Next::Activate => (),
        }
        if let Err(text) = self.canaries(&found) {
            return Ok(Outcome::new(UpgradeResult::Waiting, text));
        }
        fetch::closure(
            &settings.programs.nix_store,
            &candidate.toplevel,
            &settings.root,
        )?;
        activate::activate(settings, candidate, || self.reaches_the_next())
    }

    fn found(&self, bytes: &[u8]) -> Result<Found> {
        match self.settings.source {
            Source::Release { .. } => {
                let signed = SignedRelease::from_wire(bytes)?;
                let release = Release::parse(&signed.release)?;
                let candidate = Candidate::of_release(&release, &self.settings.host)?;
                Ok(Found::Release {
                    signed,
                    release,
                    candidate,
                })
            }
            Source::Hydra { .. } => {
                let build = hydra::parse(bytes)?;
                Ok(Found::Build {
                    number: build.id,
                    candidate: Candidate::of_build(build.toplevel),
                })
            }
        }
    }

    /// Whether the host may have it is for the guard to say: its signature, its time, its counter.
    fn accept(&self, found: &Found) -> Result<()> {
        let socket = &self.settings.socket;
        match found {
            Found::Release { signed, .. } => {
                let request = Request {
                    document: Some(signed.to_wire()?),
                    ..Request::of(["accept-release"])
                };
                client::document::<Accepted>(socket, &request).map(drop)
            }
            Found::Build { number, candidate } => {
                let number = number.to_string();
                let toplevel = candidate.toplevel.as_str();
                let words = ["accept-build", toplevel, "--build", &number];
                client::document::<BuildAccepted>(socket, &Request::of(words)).map(drop)
            }
        }
    }

    /// Why one of them is no proof of the release; they are asked until one is not.
    fn canaries(&self, found: &Found) -> Result<(), String> {
        let settings = self.settings;
        for (name, url) in &settings.canaries {
            let toplevel = match found {
                Found::Release { release, .. } => match release.hosts.get(name) {
                    Some(host) => Some(&host.toplevel),
                    // What is tried on this host alone has no canary.
                    None if found.candidate().is_test() => continue,
                    None => return Err(format!("the release does not name the canary {name}")),
                },
                // Which of its builds goes with this one nobody says.
                Found::Build { .. } => None,
            };
            fetch::figures(&settings.programs.curl, url)
                .and_then(|bytes| figures::parse(&bytes))
                .map_err(|error| format!("canary {name}: {error:#}"))
                .and_then(|figures| {
                    let soak = Duration::from_secs(settings.soak_seconds);
                    figures::healthy(&figures, toplevel, Time::now(), soak)
                        .map_err(|why| format!("canary {name}: {why}"))
                })?;
        }
        Ok(())
    }

    /// What a host that is deployed by others shows by a new connection of theirs: it could be given the next release. What
    /// has just been activated says where that would come from.
    fn reaches_the_next(&self) -> Result<()> {
        let activated = read_bounded(self.file).and_then(|json| {
            serde_json::from_slice::<Partly>(&json).context("its settings cannot be read")
        });
        let source = match activated {
            Ok(partly) => partly.source,
            // It does not upgrade itself any more; what it came from is as good as anything.
            Err(_) if !self.file.exists() => self.settings.source.clone(),
            Err(error) => return Err(error),
        };
        fetch::document(&self.settings.programs.curl, &source).map(drop)
    }
}

/// What the source offers.
enum Found {
    Release {
        signed: SignedRelease,
        release: Release,
        candidate: Candidate,
    },
    Build {
        number: u64,
        candidate: Candidate,
    },
}

impl Found {
    fn candidate(&self) -> &Candidate {
        match self {
            Self::Release { candidate, .. } | Self::Build { candidate, .. } => candidate,
        }
    }
}

#[cfg(test)]
mod tests;
