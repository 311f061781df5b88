//! What each of several works (a host's build, a play) is at: a line each that changes in place on a terminal, else a
//! plain line where it matters.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often a plain listener hears of a work that goes on: a log must show that it is not stuck.
const REMINDER: Duration = Duration::from_secs(30);

/// The lines of all works, by their names.
pub struct Live {
    screen: Option<Screen>,
    /// Last told, in plain lines.
    told: BTreeMap<String, Instant>,
    /// What the works are, in the plural.
    noun: &'static str,
    all: usize,
    done: usize,
    failed: usize,
    /// Behind each name: of which revision it is.
    at: String,
}

struct Screen {
    all: MultiProgress,
    total: ProgressBar,
    works: BTreeMap<String, ProgressBar>,
    style: ProgressStyle,
}

impl Live {
    /// For this many works; `width` is that of the longest name.
    pub fn new(live: bool, noun: &'static str, all: usize, width: usize) -> Self {
        let screen = live.then(|| {
            let screen = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8));
            // The templates are ours and valid; without one the line shows indicatif's own.
            let style = ProgressStyle::with_template(&format!(
                "{{spinner}} {{prefix:{width}}}  {{elapsed:>4}}  {{wide_msg}}"
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
                works: BTreeMap::new(),
                style,
            }
        });
        let live = Self {
            screen,
            told: BTreeMap::new(),
            noun,
            all,
            done: 0,
            failed: 0,
            at: String::new(),
        };
        live.total();
        live
    }

    /// The works are those of a revision.
    pub fn at(mut self, revision: Option<&str>) -> Self {
        self.at = revision.map_or_else(String::new, |it| format!(" at {it}"));
        self
    }

    /// What a work is at. With `remind`, whoever has only plain lines hears of it now and then.
    pub fn doing(&mut self, name: &str, words: &str, remind: bool) {
        if let Some(screen) = &mut self.screen {
            let bar = screen.works.entry(name.to_owned()).or_insert_with(|| {
                let bar = screen
                    .all
                    .insert_before(&screen.total, ProgressBar::new_spinner());
                bar.set_style(screen.style.clone());
                bar.set_prefix(format!("{name}{}", self.at));
                bar.enable_steady_tick(Duration::from_millis(125));
                bar
            });
            bar.set_message(words.to_owned());
            return;
        }
        let Some(told) = self.told.get_mut(name) else {
            self.told.insert(name.to_owned(), Instant::now());
            return;
        };
        if remind && told.elapsed() > REMINDER {
            *told = Instant::now();
            super::say(&format!("{name}{}: {words}", self.at));
        }
    }

    /// The work is done; `words` say what became of it, if that is news.
    pub fn done(&mut self, name: &str, words: Option<&String>, good: bool) {
        self.done += 1;
        self.failed += usize::from(!good);
        if let Some(bar) = self
            .screen
            .as_mut()
            .and_then(|screen| screen.works.remove(name))
        {
            bar.finish_and_clear();
        }
        self.told.remove(name);
        if let Some(words) = words {
            self.say(&format!("{name}{}: {words}", self.at));
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
            for bar in screen.works.values() {
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
            screen.total.set_message(format!(
                "{} of {} {} done{failed}",
                self.done, self.all, self.noun
            ));
        }
    }
}
