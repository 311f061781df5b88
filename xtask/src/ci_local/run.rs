//! One workflow after the other through act, each watched until it and all that it started are gone.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::event::{document, Facts, INSTANCE};
use super::follow::Watch;
use super::given::Mask;
use super::ground::Ground;
use super::obstacles::Given;
use super::outcome::{Report, WorkflowReport};
use super::plan::Planned;
use super::scene::Scene;
use super::verdict::{self, End};
use super::{inputs, programs, sha256, Chosen, Request};
use crate::cache_dir::CacheDir;
use crate::ci::{self, on::Event};
use crate::cli::Global;
use crate::evaluate::machines::VARIABLE;
use crate::evaluate::Fleet;
use crate::fleet::refs::MAIN;
use crate::process;
use crate::report::live::Live;
use crate::setup;
use crate::tools::act;

/// The variable by which workflows name the stage.
pub const STAGE: &str = "SLIPWAY_STAGE";

/// How often it is looked whether a job is over its time.
const POLL: Duration = Duration::from_millis(100);
/// How long act may take to end its steps before it is killed.
const GRACE: Duration = Duration::from_secs(10);

/// All that runs need.
pub struct Place<'a> {
    pub global: &'a Global,
    pub request: &'a Request,
    pub cache: &'a CacheDir,
    pub ground: &'a Ground,
    pub scene: &'a Scene,
    pub fleet: Option<&'a Fleet>,
    pub labels: &'a [String],
    /// Where hosts are while machines stand in for them: for workflows that deploy.
    pub machines: Option<&'a Path>,
    pub logs: PathBuf,
}

impl Place<'_> {
    /// # Errors
    /// If a tool is missing, or the cache cannot be written.
    pub async fn run(
        &self,
        mut report: Report,
        chosen: &[Chosen<'_>],
        mut given: Given,
    ) -> Result<Report> {
        let jobs: Vec<&Planned> = chosen.iter().flat_map(|it| &it.jobs).collect();
        let program = if jobs.is_empty() {
            None
        } else {
            Some(setup::act(self.global).await?)
        };
        if let (Some(fleet), Some(value)) = (self.fleet, given.vars.get_mut(programs::VARIABLE)) {
            if value.is_empty() {
                let system = fleet.nix.capabilities().await?.system;
                *value =
                    programs::flake(&self.scene.checkout, self.cache, &fleet.nix, &system).await?;
            }
        }
        let mask = Mask::new(given.secrets.values());
        let width = jobs.iter().map(|job| job.id.len() + 12).max().unwrap_or(0);
        let mut live = Live::new(self.request.live, "jobs", jobs.len(), width);
        process::adopt()?;
        for chosen in chosen {
            let mut workflow = WorkflowReport {
                file: chosen.file.name.clone(),
                sha256: sha256(&chosen.file.text),
                skipped: chosen.skipped.clone(),
                jobs: Vec::new(),
            };
            if let (None, Some(program)) = (&chosen.skipped, &program) {
                let ran = self
                    .run_one(chosen, &given, &mask, program, &mut live)
                    .await;
                workflow.jobs = ran.with_context(|| format!("cannot run {}", chosen.file.name))?;
            }
            report.workflows.push(workflow);
        }
        live.finish();
        report.logs = Some(self.logs.clone());
        report.judge();
        Ok(report)
    }

    async fn run_one(
        &self,
        chosen: &Chosen<'_>,
        given: &Given,
        mask: &Mask,
        program: &std::path::Path,
        live: &mut Live,
    ) -> Result<Vec<super::outcome::JobReport>> {
        let file = chosen.file;
        let root = self.scene.checkout.root();
        let inputs = inputs(file, self.request)?;
        let event = document(&Facts {
            event: self.request.event,
            branch: &self.scene.branch,
            base: MAIN,
            commit: &self.scene.commit,
            base_commit: self.scene.base_commit.as_deref(),
            repository: &self.scene.repository,
            inputs: &inputs,
        })?;
        let folder = ci::folder(root).context("the workflows are gone")?;
        let run = act::Run {
            program,
            event: self.request.event.name(),
            event_file: &self.ground.write("event.json", &event)?,
            workflow: &root.join(folder).join(&file.name),
            job: self.request.job.as_deref(),
            labels: self.labels,
            secrets: &self.ground.write_values("secrets", &given.secrets)?,
            vars: &self.ground.write_values("vars", &given.vars)?,
            instance: INSTANCE,
            checkout: root,
        };
        let nix = self.fleet.map(|fleet| &fleet.nix);
        let mut command = self
            .ground
            .environment(act::command(&run), self.cache, nix)?;
        if let Some(machines) = self.machines.filter(|_| chosen.deploys()) {
            command = command.env(VARIABLE, machines);
        }

        let watch = Mutex::new(Watch::new(&file.name, &chosen.jobs, &self.logs, mask, live));
        let watched = || watch.lock().unwrap_or_else(PoisonError::into_inner);
        let leader = AtomicI32::new(0);
        let mut on_line = |line: &str| {
            if let Some(line) = act::parse(line) {
                watched().line(&line);
            }
        };
        let mut following = Box::pin(command.follow(
            |pid| leader.store(pid, Ordering::Relaxed),
            &mut on_line,
            |_| (),
        ));
        let mut cut: Option<Instant> = None;
        let output = loop {
            tokio::select! {
                output = &mut following => break output?,
                () = tokio::time::sleep(POLL) => match cut {
                    None => {
                        let overdue = watched().overdue();
                        if let Some((leg, most)) = overdue {
                            watched().cut(leg, most);
                            cut = Some(Instant::now());
                            process::ask_to_end(leader.load(Ordering::Relaxed));
                        }
                    }
                    Some(since) if since.elapsed() > GRACE => process::kill(leader.load(Ordering::Relaxed)),
                    Some(_) => (),
                },
            }
        };
        drop(following);
        // A step that put itself into the background, or that act was killed over.
        process::end_strays().await;
        let watch = watch.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(trouble) = watch.trouble {
            return Err(trouble);
        }
        let said = mask.over(&output.last_lines(1));
        let end = End {
            success: output.status.success(),
            said: said.trim_start_matches("Error: ").to_owned(),
            cut: cut.is_some(),
        };
        let again = |job: &Planned| self.again(&file.name, job);
        Ok(verdict::jobs(
            &chosen.jobs,
            &watch.legs,
            &watch.unmapped,
            &end,
            again,
        ))
    }

    /// The command that runs a job again, with those that it needs.
    fn again(&self, file: &str, job: &Planned) -> String {
        let event = match self.request.event {
            Event::Push => String::new(),
            Event::PullRequest => " --event pull_request".to_owned(),
            Event::Dispatch => " --event dispatch".to_owned(),
            Event::Schedule => " --event schedule".to_owned(),
        };
        let reference = match &self.request.reference {
            Some(reference) => format!(" --ref {}", process::quote(reference)),
            None => String::new(),
        };
        let dirty = if self.request.dirty { " --dirty" } else { "" };
        let deploy = match self.request.rehearse {
            true => " --deploy rehearsal",
            false => "",
        };
        let mut values = String::new();
        for (option, file) in [
            ("--secrets", &self.request.secrets),
            ("--vars", &self.request.vars),
        ] {
            if let Some(file) = file {
                values.push_str(&format!(
                    " {option} {}",
                    process::quote(&file.to_string_lossy())
                ));
            }
        }
        for (name, value) in &self.request.inputs {
            values.push_str(&format!(
                " --input {}",
                process::quote(&format!("{name}={value}"))
            ));
        }
        let top = job.id.split(" / ").next().unwrap_or(&job.id);
        format!(
            "cargo xtask ci-local{event}{reference}{dirty}{deploy}{values} --workflow {file} --job {top}"
        )
    }
}
