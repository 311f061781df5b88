//! The repository's workflows on this machine, with the real act: what the forge looks at and act does not (filters,
//! labels, secrets, time-outs) is looked at here, and what act leaves unsaid is said.

mod event;
mod follow;
mod given;
mod ground;
mod labels;
mod logs;
mod obstacles;
pub mod outcome;
mod plan;
mod programs;
mod rehearsal;
pub mod render;
mod run;
mod scene;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest as _, Sha256};

use crate::cache_dir::CacheDir;
use crate::ci::on::{why_not, Event};
use crate::ci::rules::Fault;
use crate::ci::{self, File};
use crate::cli::Global;
use crate::evaluate::{self, Fleet};
use crate::failure::Failure;
use crate::fleet::nearest::nearest_or_all;
use crate::fleet::stage::Stage;
use crate::job_secrets;
use crate::report;
use crate::setup;
use crate::tools::git::Git;

use ground::Ground;
use obstacles::Given;
use outcome::{JobReport, Report, State, WorkflowReport};
use plan::Planned;
use scene::Scene;

/// What is to be run.
#[derive(Debug)]
pub struct Request {
    pub event: Event,
    pub reference: Option<String>,
    pub workflow: Option<String>,
    pub job: Option<String>,
    pub dirty: bool,
    pub inputs: Vec<(String, String)>,
    pub secrets: Option<PathBuf>,
    pub vars: Option<PathBuf>,
    /// Jobs that deploy do so to machines in place of the hosts.
    pub rehearse: bool,
    pub plan: bool,
    pub live: bool,
}

/// Runs what the event starts; a job that fails is a row, not an error.
///
/// # Errors
/// Usage, if a workflow cannot be read or something is in the way of a job that would run: nothing has run then. Missing,
/// if act, git or Nix is.
pub async fn run(global: &Global, request: &Request) -> Result<Report> {
    setup::git(global).await?;
    let git = repository(global)?;
    let cache = CacheDir::find()?;
    let ground = Ground::lay_out(&cache)?;
    let scene = Scene::set(&git, request, &ground).await?;
    let files = ci::read(scene.checkout.root())?;
    let chosen = choose(&files, request)?;
    let mut wanted: Vec<Chosen> = Vec::new();
    for file in chosen {
        wanted.push(Chosen {
            file,
            skipped: why_not(&file.workflow.on, &scene.happening(request.event)),
            jobs: Vec::new(),
        });
    }
    for chosen in wanted.iter_mut().filter(|it| it.skipped.is_none()) {
        chosen.jobs = plan::jobs(&files, chosen.file, request.job.as_deref())?;
    }
    let fleet = fleet(global, &git).await?;
    let labels = known_labels(fleet.as_ref()).await?;
    let mut given = given(request, &wanted, fleet.as_ref())?;
    let rehearses = request.rehearse && wanted.iter().any(Chosen::deploys);
    if request.rehearse && !rehearses {
        report::say("note: no job of these deploys, and no machine is started");
    }
    let asking = rehearsal::Asking {
        event: request.event,
        inputs: &request.inputs,
    };
    let lineup = match &fleet {
        _ if !rehearses => None,
        Some(fleet) => Some(rehearsal::plan(fleet, &scene, asking).await?),
        None => {
            return Err(Failure::usage(
                "there is no flake here, and no host that a machine could stand in for",
            )
            .try_next("--workflow with one that deploys nothing")
            .into())
        }
    };
    let mut outcome = Report {
        version: 1,
        event: request.event.name(),
        reference: scene.branch.clone(),
        commit: scene.commit.clone(),
        dirty: request.dirty,
        stage: fleet.as_ref().map(|fleet| fleet.stage),
        plan: request.plan,
        passed: true,
        workflows: Vec::new(),
        machines: lineup.as_ref().map(rehearsal::planned).unwrap_or_default(),
        logs: None,
    };
    if request.plan {
        if let Some(lineup) = &lineup {
            report::say(&format!(
                "{} would be asked for releases on this machine",
                lineup.builder
            ));
        }
        return Ok(planned(outcome, &wanted, &labels, &given));
    }
    refuse(&wanted, &labels, &given)?;
    let logs = logs::folder(git.root(), &cache)?;
    let standing = match (&fleet, lineup) {
        (Some(fleet), Some(lineup)) => {
            let setting = rehearsal::Setting {
                global,
                fleet,
                cache: &cache,
                ground: &ground,
                scene: &scene,
                logs: &logs,
            };
            Some(setting.set_up(lineup).await?)
        }
        _ => None,
    };
    if let Some(standing) = &standing {
        let key = standing.deploy_key().to_owned();
        given
            .secrets
            .insert(job_secrets::DEPLOY_KEY.to_owned(), key);
    }
    let place = run::Place {
        global,
        request,
        cache: &cache,
        ground: &ground,
        scene: &scene,
        fleet: fleet.as_ref(),
        labels: &labels,
        machines: standing.as_ref().map(rehearsal::Rehearsal::folder),
        logs,
    };
    outcome = place.run(outcome, &wanted, given).await?;
    if let Some(standing) = standing {
        outcome.machines = standing.look(asking).await?;
        outcome.judge();
        // A machine takes its time to end.
        tokio::task::spawn_blocking(move || drop(standing)).await?;
    }
    Ok(outcome)
}

/// A workflow that was asked for, or all of them.
struct Chosen<'a> {
    file: &'a File,
    /// Why it does not run.
    skipped: Option<String>,
    jobs: Vec<Planned<'a>>,
}

impl Chosen<'_> {
    fn deploys(&self) -> bool {
        self.jobs.iter().any(Planned::deploys)
    }
}

fn repository(global: &Global) -> Result<Git> {
    let here = std::env::current_dir().context("cannot read the current directory")?;
    let folder = match &global.flake {
        None => here,
        Some(_) => {
            let location = evaluate::locate::locate(global.flake.as_deref())?;
            location.root().map_or(here, std::path::Path::to_owned)
        }
    };
    Git::above(&folder).ok_or_else(|| {
        Failure::usage(format!(
            "{} is in no git repository, and workflows run for a commit",
            folder.display()
        ))
        .into()
    })
}

/// By its file's name, with or without its ending.
fn choose<'a>(files: &'a [File], request: &Request) -> Result<Vec<&'a File>, Failure> {
    let Some(wanted) = &request.workflow else {
        return Ok(files.iter().collect());
    };
    let wanted = wanted.rsplit('/').next().unwrap_or(wanted);
    let stem = |name: &'a str| name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let found = files
        .iter()
        .find(|file| file.name == wanted || stem(&file.name) == wanted);
    if let Some(file) = found {
        return Ok(vec![file]);
    }
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let next = nearest_or_all(wanted, &names);
    Err(Failure::usage(format!("there is no workflow `{wanted}`")).try_next(next.join(", ")))
}

/// The fleet of the repository; none where there is no flake.
async fn fleet(global: &Global, git: &Git) -> Result<Option<Fleet>> {
    if !git.root().join("flake.nix").is_file() {
        return Ok(None);
    }
    let global = Global {
        flake: Some(git.root().display().to_string()),
        ..global.clone()
    };
    evaluate::open(&global).await.map(Some)
}

async fn known_labels(fleet: Option<&Fleet>) -> Result<Vec<String>> {
    let Some(fleet) = fleet else {
        return Ok(labels::known([]));
    };
    let survey = fleet.survey().await?;
    let hosts = survey.inventory.hosts.values();
    Ok(labels::known(hosts.map(|host| host.runner_label.as_str())))
}

fn given(request: &Request, chosen: &[Chosen], fleet: Option<&Fleet>) -> Result<Given, Failure> {
    let jobs: Vec<&Planned> = chosen.iter().flat_map(|it| &it.jobs).collect();
    let secrets = obstacles::names("secrets", &jobs).mentioned;
    let vars = obstacles::names("vars", &jobs).mentioned;
    let mut given = Given {
        secrets: given::values(&secrets, request.secrets.as_deref(), job_secrets::variable)?,
        vars: given::values(&vars, request.vars.as_deref(), job_secrets::variable)?,
        rehearsed: request.rehearse,
    };
    if request.rehearse {
        // Whatever was given: nothing that opens a real door. The key is made for the run.
        for name in [job_secrets::DEPLOY_KEY, job_secrets::TAILNET_SECRET] {
            given.secrets.insert(name.to_owned(), String::new());
        }
    }
    if let Some(fleet) = fleet.filter(|_| vars.contains(run::STAGE)) {
        given
            .vars
            .insert(run::STAGE.to_owned(), fleet.stage.to_string());
    }
    if needs_program(fleet) && vars.contains(programs::VARIABLE) {
        // Known once it is compiled.
        given.vars.entry(programs::VARIABLE.to_owned()).or_default();
    }
    Ok(given)
}

/// In stage nixos the flake's own package is run.
fn needs_program(fleet: Option<&Fleet>) -> bool {
    fleet.is_some_and(|fleet| fleet.stage == Stage::Rehearsal)
}

fn obstacles(chosen: &Chosen, labels: &[String], given: &Given) -> Vec<Fault> {
    if chosen.skipped.is_some() {
        return Vec::new();
    }
    obstacles::all(chosen.file, &chosen.jobs, labels, given)
}

/// # Errors
/// Usage, with all that is in the way.
fn refuse(chosen: &[Chosen], labels: &[String], given: &Given) -> Result<(), Failure> {
    let all: Vec<String> = chosen
        .iter()
        .flat_map(|it| {
            let faults = obstacles(it, labels, given).into_iter();
            faults.map(|fault| fault.line(&it.file.name))
        })
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let lines = all.join("\n  ");
    Err(Failure::usage(format!(
        "nothing was run, for this is in the way:\n  {lines}"
    ))
    .try_next("cargo xtask ci-local --plan, which shows what else would run"))
}

fn planned(mut report: Report, chosen: &[Chosen], labels: &[String], given: &Given) -> Report {
    for chosen in chosen {
        let obstacles = obstacles(chosen, labels, given);
        let why_not = |job: Option<&str>| {
            let own = obstacles.iter().filter(|it| it.job.as_deref() == job);
            let own: Vec<&str> = own.map(|it| it.what.as_str()).collect();
            (!own.is_empty()).then(|| format!("it {}", own.join("; it ")))
        };
        let mut jobs: Vec<JobReport> = Vec::new();
        if let Some(why) = why_not(None) {
            jobs.push(JobReport::without_steps("", State::NotRun, Some(why)));
        }
        for job in &chosen.jobs {
            let (state, why) = match why_not(Some(&job.id)) {
                None => (State::Planned, job.conditions()),
                Some(why) => (State::NotRun, why),
            };
            jobs.push(JobReport::without_steps(&job.id, state, Some(why)));
        }
        report.workflows.push(WorkflowReport {
            file: chosen.file.name.clone(),
            sha256: sha256(&chosen.file.text),
            skipped: chosen.skipped.clone(),
            jobs,
        });
    }
    report.judge();
    report
}

fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text))
}

fn inputs(file: &File, request: &Request) -> Result<BTreeMap<String, String>, Failure> {
    match request.event {
        Event::Dispatch => plan::inputs(file, &request.inputs),
        _ => Ok(BTreeMap::new()),
    }
}
