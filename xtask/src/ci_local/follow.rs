//! What act does, line by line: the state of every job and step, live lines, a log a job.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::given::Mask;
use super::outcome::{State, StepReport};
use super::plan::Planned;
use crate::report::live::Live;
use crate::report::words::seconds;
use crate::tools::act::{Line, Verdict};

/// How many lines of a step are shown when it fails.
const LAST: usize = 20;

/// A job, or a leg of one, that act has begun.
pub struct Leg {
    /// Index of the planned job.
    pub planned: usize,
    /// With the values of the matrix behind it.
    pub name: String,
    /// As act calls it.
    act_name: String,
    /// One of several of a matrix.
    of_matrix: bool,
    pub state: State,
    pub why: Option<String>,
    started: Instant,
    pub wall: Duration,
    pub steps: Vec<StepReport>,
    step_started: Instant,
    /// The current step's last lines; those of the first one that failed stay.
    pub last_lines: Vec<String>,
    /// The first step that failed, as act names it. Lines of it may come after its result.
    failed: Option<String>,
    /// What act said of it: `exit status 3`.
    said: Option<String>,
    pub log: PathBuf,
    file: File,
}

/// All that was seen of one workflow.
pub struct Watch<'a> {
    file: &'a str,
    planned: &'a [Planned<'a>],
    pub legs: Vec<Leg>,
    /// Jobs that act left out for their label, by index.
    pub unmapped: Vec<usize>,
    logs: &'a Path,
    mask: &'a Mask,
    live: &'a mut Live,
    /// What could not be written, which must not get lost.
    pub trouble: Option<anyhow::Error>,
}

impl<'a> Watch<'a> {
    pub fn new(
        file: &'a str,
        planned: &'a [Planned<'a>],
        logs: &'a Path,
        mask: &'a Mask,
        live: &'a mut Live,
    ) -> Self {
        Self {
            file,
            planned,
            legs: Vec::new(),
            unmapped: Vec::new(),
            logs,
            mask,
            live,
            trouble: None,
        }
    }

    pub fn line(&mut self, line: &Line) {
        let name = line.job.trim_end();
        let Some(planned) = self
            .planned
            .iter()
            .position(|job| job.job_id == line.job_id && job.is_called(name))
        else {
            return;
        };
        if line.is_unmapped() {
            self.unmapped.push(planned);
            return;
        }
        let index = match self.legs.iter().position(|leg| leg.act_name == name) {
            Some(index) => index,
            None => match self.begin(planned, name, line) {
                Ok(index) => index,
                Err(error) => {
                    self.trouble.get_or_insert(error);
                    return;
                }
            },
        };
        let written = self.legs[index].take(line, self.planned[planned].job, self.mask);
        match written {
            Ok(Some(news)) => self.tell(index, &news),
            Ok(None) => {
                let doing = self.legs[index].doing();
                let title = self.title(index);
                self.live.doing(&title, &doing, true);
            }
            Err(error) => {
                self.trouble.get_or_insert(error);
            }
        }
    }

    fn begin(&mut self, planned: usize, name: &str, line: &Line) -> Result<usize> {
        let values: Vec<String> = line.matrix.values().map(ToString::to_string).collect();
        let id = &self.planned[planned].id;
        let shown = if values.is_empty() {
            id.clone()
        } else {
            format!("{id} ({})", values.join(", "))
        };
        let file: String = shown
            .chars()
            .map(|c| {
                if c.is_alphanumeric() || "-_.".contains(c) {
                    c
                } else {
                    '_'
                }
            })
            .collect();
        let log = self.logs.join(format!("{}.{file}.log", self.file));
        let now = Instant::now();
        self.legs.push(Leg {
            planned,
            name: shown,
            act_name: name.to_owned(),
            of_matrix: self.planned[planned].has_matrix(),
            state: State::Running,
            why: None,
            started: now,
            wall: Duration::ZERO,
            steps: Vec::new(),
            step_started: now,
            last_lines: Vec::new(),
            failed: None,
            said: None,
            file: File::create(&log).with_context(|| format!("cannot write {}", log.display()))?,
            log,
        });
        Ok(self.legs.len() - 1)
    }

    fn title(&self, index: usize) -> String {
        format!("{}: {}", self.file, self.legs[index].name)
    }

    fn tell(&mut self, index: usize, news: &News) {
        let title = self.title(index);
        match news {
            News::Step(words) => {
                self.live.doing(&title, words, false);
                self.live.say(&format!("{title}: {words}"));
            }
            News::Job => {
                let leg = &self.legs[index];
                let words = format!(
                    "{} in {} s",
                    leg.state.word(),
                    seconds(leg.wall.as_secs_f64())
                );
                self.live.done(&title, Some(&words), leg.state.is_good());
            }
        }
    }

    /// A job that has run longer than it may: it, and the time.
    pub fn overdue(&self) -> Option<(usize, Duration)> {
        self.legs.iter().enumerate().find_map(|(index, leg)| {
            let most = self.planned[leg.planned].timeout()?;
            (leg.state == State::Running && leg.started.elapsed() > most).then_some((index, most))
        })
    }

    /// act is about to be ended for a job that is overdue, and with it all that it runs.
    pub fn cut(&mut self, overdue: usize, most: Duration) {
        for index in 0..self.legs.len() {
            let leg = &mut self.legs[index];
            if leg.state != State::Running {
                continue;
            }
            leg.wall = leg.started.elapsed();
            if index == overdue {
                leg.state = State::TimedOut;
                let minutes = most.as_secs_f64() / 60.0;
                leg.why = Some(format!(
                    "it may take {} min",
                    (minutes * 1000.0).round() / 1000.0
                ));
                if let Some(step) = leg.steps.last_mut().filter(|it| it.state == State::Running) {
                    step.state = State::TimedOut;
                    step.seconds = leg.step_started.elapsed().as_secs_f64();
                }
            } else {
                leg.state = State::NotRun;
                leg.why = Some(
                    "another job was over its time, and act ends all of a workflow".to_owned(),
                );
            }
            self.tell(index, &News::Job);
        }
    }
}

/// What is worth a line.
enum News {
    Step(String),
    Job,
}

impl Leg {
    fn take(
        &mut self,
        line: &Line,
        job: &crate::ci::workflow::Job,
        mask: &Mask,
    ) -> Result<Option<News>> {
        let text = mask.over(line.msg.trim_end());
        writeln!(self.file, "{text}")
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let place = line.step_id.first().filter(|_| line.stage == "Main");
        // act hands output over beside its own words: it may come after the step's result, and after the job's.
        let is_output = line.raw_output || line.command.as_deref() == Some("error");
        let of_failed = self.failed.is_none() || self.failed.as_ref() == place;
        if place.is_some() && of_failed {
            if is_output {
                self.remember(&text);
            } else if line.level == "error" && self.state == State::Running {
                self.said = Some(text);
            }
        }
        // What is ended for its time is judged already.
        if self.state != State::Running {
            return Ok(None);
        }
        if line.job_result.is_some() {
            self.end(line.job_result);
            return Ok(Some(News::Job));
        }
        let Some(place) = place.filter(|_| !line.raw_output) else {
            return Ok(None);
        };
        let index = job
            .steps
            .iter()
            .position(|step| step.id.as_ref() == Some(place))
            .or_else(|| place.parse().ok());
        let Some(step) = index.and_then(|index| job.steps.get(index)) else {
            return Ok(None);
        };
        let title = mask.over(first_line(step.title()));
        let is_current = self
            .steps
            .last()
            .is_some_and(|it| it.step == title && it.state == State::Running);
        if !is_current && line.step_result.is_none() && line.msg.contains("Run Main") {
            self.steps.push(StepReport {
                step: title,
                state: State::Running,
                seconds: 0.0,
            });
            self.step_started = Instant::now();
            if self.failed.is_none() {
                self.last_lines.clear();
            }
            return Ok(None);
        }
        // A composite action's steps have results of their own.
        if line.step_id.len() > 1 {
            return Ok(None);
        }
        let Some(result) = line.step_result else {
            return Ok(None);
        };
        let took = self.step_started.elapsed().as_secs_f64();
        let Some(current) = self.steps.last_mut() else {
            return Ok(None);
        };
        current.seconds = took;
        current.state = match result {
            Verdict::Success => State::Passed,
            Verdict::Skipped => State::Skipped,
            Verdict::Failure | Verdict::Other if step.may_fail() => State::Forgiven,
            Verdict::Failure | Verdict::Other => State::Failed,
        };
        let words = format!(
            "`{}` {} in {} s",
            current.step,
            current.state.word(),
            seconds(took)
        );
        if current.state == State::Failed && self.failed.is_none() {
            self.failed = Some(place.clone());
            self.why = Some(format!("step `{}`", current.step));
            self.said = None;
        }
        Ok(Some(News::Step(words)))
    }

    /// The job's own result is that of all legs of its matrix: a leg is judged by its steps.
    fn end(&mut self, result: Option<Verdict>) {
        self.wall = self.started.elapsed();
        let failed = self.failed.is_some() || (!self.of_matrix && result != Some(Verdict::Success));
        // One that was begun and has no end was cut short.
        let cut = self.steps.iter().any(|it| it.state == State::Running);
        if let (Some(why), Some(said)) = (&mut self.why, &self.said) {
            *why = format!("{why}: {said}");
        }
        self.state = if failed || cut {
            State::Failed
        } else {
            State::Passed
        };
    }

    fn remember(&mut self, text: &str) {
        self.last_lines.extend(
            text.lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned),
        );
        let extra = self.last_lines.len().saturating_sub(LAST);
        self.last_lines.drain(..extra);
    }

    fn doing(&self) -> String {
        match self.steps.last() {
            Some(step) => format!("`{}`", step.step),
            None => "being set up".to_owned(),
        }
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
