//! What is in the way of jobs before anything has run: labels, secrets, deployments, what act cannot do. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Planned;
use super::{given, labels};
use crate::ci::expressions::{mentioned, needed};
use crate::ci::rules::{self, Fault};
use crate::ci::File;
use crate::fleet::nearest::nearest;

/// The names below a context that jobs ask for; of those, only what they cannot do without.
pub struct Names {
    pub mentioned: BTreeSet<String>,
    pub needed: BTreeSet<String>,
}

/// What jobs ask of a context (`secrets`, `vars`), in their own files' environment, too. What the forge gives by itself is
/// not among it.
pub fn names(context: &str, jobs: &[&Planned]) -> Names {
    let texts: Vec<&str> = jobs
        .iter()
        .flat_map(|planned| {
            let of_file = planned.file.workflow.env.values().map(|it| it.0.as_str());
            of_file.chain(planned.job.texts())
        })
        .collect();
    let without_the_forges = |mut names: BTreeSet<String>| {
        names.retain(|name| !given::OF_THE_FORGE.contains(&name.as_str()));
        names
    };
    Names {
        mentioned: without_the_forges(mentioned(context, texts.iter().copied())),
        needed: without_the_forges(needed(context, texts.iter().copied())),
    }
}

/// What was given of secrets and variables.
#[derive(Debug, Default)]
pub struct Given {
    pub secrets: BTreeMap<String, String>,
    pub vars: BTreeMap<String, String>,
    /// Machines take the place of the hosts.
    pub rehearsed: bool,
}

/// Everything that is in the way of these jobs; nothing has run yet.
pub fn all(file: &File, jobs: &[Planned], known_labels: &[String], given: &Given) -> Vec<Fault> {
    let chosen = |fault: &Fault| match &fault.job {
        Some(job) => jobs.iter().any(|planned| planned.id == *job),
        None => true,
    };
    let mut found: Vec<Fault> = rules::errors(file).into_iter().filter(chosen).collect();
    for planned in jobs {
        let own = of_job(planned, known_labels, given);
        found.extend(own.into_iter().map(|what| Fault {
            job: Some(planned.id.clone()),
            what,
        }));
    }
    found
}

fn of_job(planned: &Planned, known_labels: &[String], given: &Given) -> Vec<String> {
    let mut found = Vec::new();
    if planned.deploys() && !given.rehearsed {
        found.push("deploys, and a local run never touches a host: --deploy rehearsal takes machines, or --workflow leaves it out".to_owned());
    }
    for label in labels::wanted(planned.job) {
        if !known_labels.contains(&label) {
            found.push(unknown_label(&label, known_labels));
        }
    }
    if planned.job.container.is_some() || planned.job.services.is_some() {
        found.push("wants a container, and here jobs run on the machine itself".to_owned());
    }
    for step in &planned.job.steps {
        let Some(uses) = &step.uses else { continue };
        let checkout = uses.starts_with("actions/checkout@");
        if !checkout && !uses.starts_with("./") {
            found.push(format!(
                "uses `{uses}`: of actions, only actions/checkout and the repository's own are run here"
            ));
        }
        if checkout
            && ["ref", "repository"]
                .iter()
                .any(|it| step.with.contains_key(*it))
        {
            found.push(
                "checks out something else than the commit, which is not at hand here".to_owned(),
            );
        }
    }
    for (context, word, given) in [
        ("secrets", "secret", &given.secrets),
        ("vars", "variable", &given.vars),
    ] {
        let needed = names(context, &[planned]).needed;
        let missing = needed.into_iter().filter(|name| !given.contains_key(name));
        found.extend(missing.map(|name| {
            format!("lacks the {word} {name}: --{context} FILE, or an environment variable of that name")
        }));
    }
    found
}

fn unknown_label(label: &str, known: &[String]) -> String {
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let near = match nearest(label, &names).first() {
        Some(near) => format!(" (`{near}`?)"),
        None => String::new(),
    };
    format!(
        "runs on `{label}`{near}, which no runner here is; known are {}",
        names.join(", ")
    )
}
