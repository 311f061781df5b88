//! Whether an event starts a workflow, and why not: the filters of `on:`, which act does not look at. Pure.

use super::pattern::takes;
use super::workflow::{Filter, On, Words};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    Push,
    PullRequest,
    Dispatch,
    Schedule,
}

impl Event {
    /// As workflows spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::PullRequest => "pull_request",
            Self::Dispatch => "workflow_dispatch",
            Self::Schedule => "schedule",
        }
    }
}

/// An event with all that filters ask about.
#[derive(Debug)]
pub struct Happening<'a> {
    pub event: Event,
    /// The branch that was pushed; of a pull request, the one that it is to be merged into.
    pub branch: &'a str,
    /// The files that differ from what was there before.
    pub changed: &'a [String],
}

/// Why the workflow does not run; none if it does.
pub fn why_not(on: &On, happening: &Happening) -> Option<String> {
    let event = happening.event.name();
    let Some(filter) = on.filter(event) else {
        return Some(format!(
            "it runs at {}, not at {event}",
            on.events().join(", ")
        ));
    };
    let filter = filter?;
    match happening.event {
        Event::Push | Event::PullRequest => {
            branch(filter, happening).or_else(|| paths(filter, happening.changed))
        }
        Event::Dispatch | Event::Schedule => None,
    }
    .or_else(|| types(filter, happening.event))
}

fn branch(filter: &Filter, happening: &Happening) -> Option<String> {
    let name = happening.branch;
    let what = match happening.event {
        Event::PullRequest => "the base branch",
        _ => "the branch",
    };
    match (&filter.branches, &filter.branches_ignore) {
        (Some(Words(wanted)), _) => (!takes(wanted, name))
            .then(|| format!("{what} {name} is none of `branches: {}`", wanted.join(", "))),
        (None, Some(Words(ignored))) => takes(ignored, name).then(|| {
            format!(
                "{what} {name} is one of `branches-ignore: {}`",
                ignored.join(", ")
            )
        }),
        // A workflow for tags alone does not run for branches.
        (None, None) => (filter.tags.is_some() && happening.event == Event::Push)
            .then(|| format!("it runs for tags, and {name} is a branch")),
    }
}

fn paths(filter: &Filter, changed: &[String]) -> Option<String> {
    match (&filter.paths, &filter.paths_ignore) {
        (Some(Words(wanted)), _) => (!changed.iter().any(|file| takes(wanted, file))).then(|| {
            format!(
                "none of {} is in `paths: {}`",
                files(changed),
                wanted.join(", ")
            )
        }),
        (None, Some(Words(ignored))) => {
            changed.iter().all(|file| takes(ignored, file)).then(|| {
                format!(
                    "all of {} are in `paths-ignore: {}`",
                    files(changed),
                    ignored.join(", ")
                )
            })
        }
        (None, None) => None,
    }
}

fn types(filter: &Filter, event: Event) -> Option<String> {
    // What ci-local plays is a pull request to which commits were pushed.
    const TYPE: &str = "synchronize";
    let Words(types) = filter.types.as_ref()?;
    (event == Event::PullRequest && !types.iter().any(|it| it == TYPE))
        .then(|| format!("`types: {}` is without {TYPE}", types.join(", ")))
}

fn files(changed: &[String]) -> String {
    format!(
        "the {}",
        crate::report::words::counted(changed.len(), "changed file")
    )
}

#[cfg(test)]
mod tests {
    use super::super::workflow::parse;
    use super::*;

    fn why(on: &str, event: Event, branch: &str, changed: &[&str]) -> Option<String> {
        let workflow = parse(&format!("on: {on}\njobs: {{}}\n")).unwrap();
        let changed: Vec<String> = changed.iter().map(|it| (*it).to_owned()).collect();
        why_not(
            &workflow.on,
            &Happening {
                event,
                branch,
                changed: &changed,
            },
        )
    }

    #[test]
    fn a_workflow_runs_or_says_why_not() {
        use Event::{Dispatch, PullRequest, Push, Schedule};
        let branches = "{push: {branches: [main, 'test-*']}}";
        assert_eq!(why("push", Push, "x", &[]), None);
        assert_eq!(why(branches, Push, "test-Niko", &[]), None);
        let told = |on, event, branch, changed: &[&str]| why(on, event, branch, changed).unwrap();
        insta::assert_snapshot!(
            [
                told("push", PullRequest, "main", &[]),
                told(branches, Push, "feature", &[]),
                told("{pull_request: {branches-ignore: ['old*']}}", PullRequest, "older", &[]),
                told("{push: {tags: 'v*'}}", Push, "main", &[]),
                told("{push: {paths: ['nix/**']}}", Push, "main", &["docs/a.md", "README.md"]),
                told("{push: {paths-ignore: ['**.md']}}", Push, "main", &["docs/a.md"]),
                told("{pull_request: {types: [opened]}}", PullRequest, "main", &[]),
                told("[push, workflow_dispatch]", Schedule, "main", &[]),
            ]
            .join("\n"),
            @r"
        it runs at push, not at pull_request
        the branch feature is none of `branches: main, test-*`
        the base branch older is one of `branches-ignore: old*`
        it runs for tags, and main is a branch
        none of the 2 changed files is in `paths: nix/**`
        all of the 1 changed file are in `paths-ignore: **.md`
        `types: opened` is without synchronize
        it runs at push, workflow_dispatch, not at schedule
        "
        );
        assert_eq!(
            why("{push: {paths: ['nix/**']}}", Push, "main", &["nix/a"]),
            None
        );
        assert_eq!(
            why("{schedule: [{cron: '1 1 * * *'}]}", Schedule, "main", &[]),
            None
        );
        assert_eq!(
            why(
                "{workflow_dispatch: {inputs: {host: {}}}}",
                Dispatch,
                "x",
                &[]
            ),
            None
        );
    }
}
