//! Which jobs of a workflow would run, those of the workflows that it calls among them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ci::workflow::{Filter, Job, Scalar};
use crate::ci::{calls, File};
use crate::failure::Failure;
use crate::fleet::nearest::{nearest, nearest_or_all};

/// A job, also one of a workflow that another job calls.
#[derive(Debug, Clone)]
pub struct Planned<'a> {
    /// `build`, or `build / hosts` of one that is called.
    pub id: String,
    /// Where it stands, which of one that is called is another one than its caller's.
    pub file: &'a File,
    /// The job's own word in its file.
    pub job_id: &'a str,
    /// How act calls it; legs of a matrix have a number behind it.
    pub act_name: String,
    pub job: &'a Job,
    /// The jobs before it, by `id`; that of a caller stands for all that it calls.
    pub needs: Vec<String>,
}

/// A called workflow may call another one; Forgejo stops at some depth, and a circle would never end.
const DEEPEST: usize = 4;

/// The jobs of a workflow in the order of the file, those that it calls in the caller's place; with `only`, that one and
/// those that it needs.
///
/// # Errors
/// Usage, if there is no such job, or no such workflow to call.
pub fn jobs<'a>(
    files: &'a [File],
    file: &'a File,
    only: Option<&str>,
) -> Result<Vec<Planned<'a>>, Failure> {
    let mut all = Vec::new();
    let wanted = match only {
        Some(job) => Some(closure(file, job)?),
        None => None,
    };
    for (id, job) in &file.workflow.jobs.0 {
        if wanted.as_ref().is_some_and(|it| !it.contains(id.as_str())) {
            continue;
        }
        let prefix = file.workflow.title(&file.name);
        let act_name = format!("{prefix}/{}", job.title(id));
        expand(
            files,
            file,
            (id, job),
            &Above::default(),
            act_name,
            &mut all,
        )?;
    }
    Ok(all)
}

fn closure<'a>(file: &'a File, job: &str) -> Result<BTreeSet<&'a str>, Failure> {
    let jobs = &file.workflow.jobs.0;
    let Some((first, _)) = jobs.iter().find(|(id, _)| id == job) else {
        let ids: Vec<&str> = jobs.iter().map(|(id, _)| id.as_str()).collect();
        let next = nearest_or_all(job, &ids);
        return Err(
            Failure::usage(format!("{} has no job `{job}`", file.name)).try_next(next.join(", "))
        );
    };
    let mut wanted = BTreeSet::from([first.as_str()]);
    loop {
        let before = wanted.len();
        for (id, job) in jobs {
            if wanted.contains(id.as_str()) {
                wanted.extend(job.needs.0.iter().map(String::as_str));
            }
        }
        if wanted.len() == before {
            return Ok(wanted);
        }
    }
}

/// The jobs that call a workflow.
#[derive(Default)]
struct Above {
    prefix: String,
    needs: Vec<String>,
    depth: usize,
}

fn expand<'a>(
    files: &'a [File],
    file: &'a File,
    (job_id, job): (&'a str, &'a Job),
    above: &Above,
    act_name: String,
    all: &mut Vec<Planned<'a>>,
) -> Result<(), Failure> {
    let prefix = &above.prefix;
    let id = format!("{prefix}{job_id}");
    let own = job.needs.0.iter().map(|it| format!("{prefix}{it}"));
    // What the caller waits for, all that it calls waits for.
    let needs: Vec<String> = own.chain(above.needs.iter().cloned()).collect();
    let Some(uses) = &job.uses else {
        all.push(Planned {
            id,
            file,
            job_id,
            act_name,
            job,
            needs,
        });
        return Ok(());
    };
    let called = uses
        .strip_prefix("./")
        .and_then(|path| path.rsplit('/').next())
        .and_then(|name| files.iter().find(|file| file.name == name));
    let (Some(called), true) = (called, above.depth < DEEPEST) else {
        return Err(Failure::usage(format!(
            "{}: job `{job_id}` uses `{uses}`, which is no workflow of this repository",
            file.name
        ))
        .try_next(format!("./.forgejo/workflows/{}", file.name)));
    };
    let title = called.workflow.title(&called.name);
    for (inner_id, inner) in &called.workflow.jobs.0 {
        let act_name = format!("{}/{title}/{}", job.title(job_id), inner.title(inner_id));
        let above = Above {
            prefix: format!("{id} / "),
            needs: needs.clone(),
            depth: above.depth + 1,
        };
        expand(files, called, (inner_id, inner), &above, act_name, all)?;
    }
    Ok(())
}

impl Planned<'_> {
    /// Whether a line of act's is about this job, or a leg of it.
    pub fn is_called(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(self.act_name.as_str()) else {
            return false;
        };
        let leg = rest.strip_prefix('-').unwrap_or_default();
        rest.is_empty() || (!leg.is_empty() && leg.chars().all(|c| c.is_ascii_digit()))
    }

    /// What act does not look at.
    pub fn timeout(&self) -> Option<Duration> {
        let minutes: f64 = self.job.timeout_minutes.as_ref()?.0.parse().ok()?;
        (minutes > 0.0 && minutes < 1e6).then(|| Duration::from_secs_f64(minutes * 60.0))
    }

    pub fn has_matrix(&self) -> bool {
        self.job
            .strategy
            .as_ref()
            .is_some_and(|it| it.matrix.is_some())
    }

    pub fn deploys(&self) -> bool {
        let mut scripts = self.job.steps.iter().filter_map(|step| step.run.as_deref());
        scripts.any(calls::deploys)
    }

    /// For the plan: what it waits for, where it runs, how long it may take.
    pub fn conditions(&self) -> String {
        let mut words = Vec::new();
        if !self.needs.is_empty() {
            words.push(format!("after {}", self.needs.join(", ")));
        }
        if let Some(condition) = &self.job.condition {
            words.push(format!("if {condition}"));
        }
        let computed = self.job.strategy.as_ref().and_then(|it| it.computed());
        if let Some(expression) = computed {
            words.push(format!("a leg for each of {expression}"));
        }
        if let Some(timeout) = &self.job.timeout_minutes {
            words.push(format!("at most {timeout} min"));
        }
        words.join("; ")
    }
}

/// The inputs of a manual dispatch: what was given, else the defaults.
///
/// # Errors
/// Usage, if one is required and not given, or given and not declared.
pub fn inputs(
    file: &File,
    given: &[(String, String)],
) -> Result<BTreeMap<String, String>, Failure> {
    let declared = match file.workflow.on.filter("workflow_dispatch") {
        Some(Some(Filter {
            inputs: Some(inputs),
            ..
        })) => inputs.0.as_slice(),
        _ => &[],
    };
    let mut all = BTreeMap::new();
    for (name, value) in given {
        if !declared.iter().any(|(declared, _)| declared == name) {
            let names: Vec<&str> = declared.iter().map(|(name, _)| name.as_str()).collect();
            return Err(
                Failure::usage(format!("{} has no input `{name}`", file.name))
                    .try_next(nearest(name, &names).join(", ")),
            );
        }
        all.insert(name.clone(), value.clone());
    }
    for (name, input) in declared {
        let Some(input) = input else { continue };
        match &input.default {
            _ if all.contains_key(name) => (),
            Some(Scalar(default)) => drop(all.insert(name.clone(), default.clone())),
            None if input.required => {
                return Err(
                    Failure::usage(format!("{} needs the input `{name}`", file.name))
                        .try_next(format!("--input {name}=VALUE")),
                )
            }
            None => (),
        }
    }
    Ok(all)
}
