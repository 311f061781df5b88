//! What each host is doing: a line a host that changes in place on a terminal, else a plain line where it matters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::fleet::host::HostName;

/// How often a plain listener hears of a build that goes on: a log must show that it is not stuck.
const REMINDER: Duration = Duration::from_secs(30);

/// What a host is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    Evaluating,
    /// Evaluated, and a build process is asked for it.
    Starting,
    Copying {
        done: usize,
        all: usize,
    },
    Building {
        done: usize,
        all: usize,
    },
}

impl Doing {
    fn words(self) -> String {
        match self {
            Self::Evaluating => "evaluating".to_owned(),
            Self::Starting => "waiting to build".to_owned(),
            Self::Copying { done, all } => format!("copying {done} of {all}"),
            Self::Building { done, all } => format!("building {done} of {all}"),
        }
    }
}

/// The lines of all hosts.
pub struct Live {
    screen: Option<Screen>,
    /// Last told, in plain lines.
    told: BTreeMap<HostName, Instant>,
    all: usize,
    done: usize,
    failed: usize,
    /// Behind each host's name: of which revision it is.
    at: String,
}

struct Screen {
    all: MultiProgress,
    total: ProgressBar,
    hosts: BTreeMap<HostName, ProgressBar>,
    style: ProgressStyle,
}

impl Live {
    /// For this many hosts; `width` is that of the longest name.
    pub fn new(live: bool, all: usize, width: usize) -> Self {
        let screen = live.then(|| {
            let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            // The templates are ours and valid; without one the line shows indicatif's own.
            let style = ProgressStyle::with_template(&format!(
                "{{spinner}} {{prefix:{width}}}  {{msg}}  {{elapsed}}"
            ))
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let total = screen.add(ProgressBar::new_spinner());
            total.set_style(
                ProgressStyle::with_template("{msg}  {elapsed}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            total.enable_steady_tick(Duration::from_millis(250));
            Screen {
                all: screen,
                total,
                hosts: BTreeMap::new(),
                style,
            }
        });
        let live = Self {
            screen,
            told: BTreeMap::new(),
            all,
            done: 0,
            failed: 0,
            at: String::new(),
        };
        live.total();
        live
    }

    /// The hosts are those of a revision.
    pub fn at(mut self, revision: Option<&str>) -> Self {
        self.at = revision.map_or_else(String::new, |it| format!(" at {it}"));
        self
    }

    pub fn doing(&mut self, host: &HostName, doing: Doing) {
        if let Some(screen) = &mut self.screen {
            let bar = screen.hosts.entry(host.clone()).or_insert_with(|| {
                let bar = screen
                    .all
                    .insert_before(&screen.total, ProgressBar::new_spinner());
                bar.set_style(screen.style.clone());
                bar.set_prefix(format!("{host}{}", self.at));
                bar.enable_steady_tick(Duration::from_millis(125));
                bar
            });
            bar.set_message(doing.words());
            return;
        }
        let first = !self.told.contains_key(host);
        let told = self.told.entry(host.clone()).or_insert_with(Instant::now);
        let work = matches!(doing, Doing::Copying { .. } | Doing::Building { .. });
        if work && !first && told.elapsed() > REMINDER {
            *told = Instant::now();
            super::say(&format!("{host}{}: {}", self.at, doing.words()));
        }
    }

    /// The host no longer does anything; `words` say what became of it, if that is news.
    pub fn done(&mut self, host: &HostName, words: Option<&String>, good: bool) {
        self.done += 1;
        self.failed += usize::from(!good);
        if let Some(bar) = self
            .screen
            .as_mut()
            .and_then(|screen| screen.hosts.remove(host))
        {
            bar.finish_and_clear();
        }
        if let Some(words) = words {
            self.say(&format!("{host}{}: {words}", self.at));
        }
        self.total();
    }

    /// A line of talk above the live ones.
    pub fn say(&self, line: &str) {
        match &self.screen {
            // A terminal that went away is noticed by its signal.
            Some(screen) => drop(screen.all.println(line)),
            None => super::say(line),
        }
    }

    /// Takes the live lines off the screen.
    pub fn finish(&mut self) {
        if let Some(screen) = self.screen.take() {
            for bar in screen.hosts.values() {
                bar.finish_and_clear();
            }
            screen.total.finish_and_clear();
        }
    }

    fn total(&self) {
        if let Some(screen) = &self.screen {
            let failed = match self.failed {
                0 => String::new(),
                failed => format!(", {failed} failed"),
            };
            screen
                .total
                .set_message(format!("{} of {} hosts done{failed}", self.done, self.all));
        }
    }
}
