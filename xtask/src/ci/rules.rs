//! What is wrong in a workflow that no server tells before it runs. Pure.

use super::workflow::Workflow;
use super::{calls, File};

/// Something that is wrong, or in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// None for the workflow as a whole.
    pub job: Option<String>,
    /// Of which this is said, so that it follows the name.
    pub what: String,
}

impl Fault {
    /// With the names in front.
    pub fn line(&self, file: &str) -> String {
        match &self.job {
            Some(job) => format!("{file}: job `{job}` {}", self.what),
            None => format!("{file} {}", self.what),
        }
    }
}

/// What the command line does not take, jobs that wait for nobody, a matrix that may be empty, a deployment that the next
/// push would cut short.
pub fn errors(file: &File) -> Vec<Fault> {
    let mut faults = Vec::new();
    let jobs = &file.workflow.jobs;
    for (id, job) in &jobs.0 {
        let mut fault = |what: String| {
            faults.push(Fault {
                job: Some(id.clone()),
                what,
            });
        };
        for needed in &job.needs.0 {
            if jobs.get(needed).is_none() {
                fault(format!("needs `{needed}`, which is no job"));
            }
        }
        if job.steps.is_empty() == job.uses.is_none() {
            fault("has neither steps nor a workflow to use, or both".to_owned());
        }
        if job.uses.is_none() && job.runs_on.is_none() {
            fault("has no runs-on".to_owned());
        }
        let computed = job.strategy.as_ref().and_then(|it| it.computed());
        if computed.is_some() && job.condition.is_none() {
            fault(
                "has a computed matrix, which may be empty and then runs once with nothing: it needs an `if`"
                    .to_owned(),
            );
        }
        for step in &job.steps {
            for (line, call) in calls::of(step.run.as_deref().unwrap_or_default()) {
                if let Err(why) = call {
                    fault(format!("calls `{line}`: {why}"));
                }
            }
        }
    }
    if deploys(&file.workflow) && !outlasts_a_push(&file.workflow) {
        faults.push(Fault {
            job: None,
            what: "deploys, and the next push would end it half-way: it needs `concurrency` with `cancel-in-progress: false`"
                .to_owned(),
        });
    }
    faults
}

fn deploys(workflow: &Workflow) -> bool {
    let mut steps = workflow.jobs.0.iter().flat_map(|(_, job)| &job.steps);
    steps.any(|step| step.run.as_deref().is_some_and(calls::deploys))
}

/// Forgejo's own choice, where a workflow makes none, is to end what an earlier push started.
fn outlasts_a_push(workflow: &Workflow) -> bool {
    let chosen = workflow.concurrency.as_ref();
    let cancel = chosen.and_then(|it| it.cancel_in_progress.as_ref());
    cancel.is_some_and(|it| it.0 == "false")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::workflow::{parse, Step};
    use super::*;

    fn ours() -> Vec<File> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        super::super::read(root).unwrap()
    }

    fn file(text: &str) -> File {
        File {
            name: "f.yml".to_owned(),
            text: text.to_owned(),
            workflow: parse(text).unwrap(),
        }
    }

    fn lines(file: &File) -> String {
        let faults = errors(file);
        let lines: Vec<String> = faults.iter().map(|it| it.line(&file.name)).collect();
        lines.join("\n")
    }

    #[test]
    fn what_no_server_tells_is_told() {
        let text = "on: push\njobs:\n  a:\n    needs: [b]\n    runs-on: nix\n    strategy:\n      matrix: ${{ fromJSON(x) }}\n    steps:\n      - run: cargo xtask biuld-all\n  c: {}\n  d:\n    runs-on: nix\n    steps:\n      - run: cargo xtask deploy --yes\n";
        insta::assert_snapshot!(lines(&file(text)), @r"
        f.yml: job `a` needs `b`, which is no job
        f.yml: job `a` has a computed matrix, which may be empty and then runs once with nothing: it needs an `if`
        f.yml: job `a` calls `cargo xtask biuld-all`: unrecognized subcommand 'biuld-all'
        f.yml: job `c` has neither steps nor a workflow to use, or both
        f.yml: job `c` has no runs-on
        f.yml deploys, and the next push would end it half-way: it needs `concurrency` with `cancel-in-progress: false`
        ");
    }

    #[test]
    fn every_call_of_xtask_in_our_workflows_is_one() {
        for file in ours() {
            assert_eq!(lines(&file), "");
        }
    }

    /// What keeps a workflow from being a second program: all that it does is a line of xtask or nix.
    fn thin(step: &Step) -> Result<(), String> {
        match (&step.uses, &step.run) {
            (Some(action), None) if action.starts_with("actions/checkout@") => Ok(()),
            (None, Some(script)) => {
                let calls = calls::of(script);
                let is_call = |line: &str| {
                    let call = calls.iter().find(|(call, _)| call == line.trim());
                    match call {
                        Some((_, read)) => read.is_ok(),
                        // Of xtask nothing may escape the command line.
                        None => line.starts_with("nix ") && !line.to_lowercase().contains("xtask"),
                    }
                };
                let all = script.replace("\\\n", " ").lines().all(is_call);
                if all && script.lines().count() <= 3 && !script.contains(['&', ';', '|']) {
                    Ok(())
                } else {
                    Err(format!("no single line of xtask or nix: {script}"))
                }
            }
            _ => Err(format!("an action other than checkout: {}", step.title())),
        }
    }

    #[test]
    fn what_is_a_second_program_is_not_thin() {
        let step = |script: &str| Step {
            run: Some(script.to_owned()),
            ..Step::default()
        };
        for good in [
            "nix run \"$SLIPWAY_XTASK\" -- check",
            "nix flake check",
            "cargo xtask deploy --plan \\\n  --json \\\n  -- $HOST > plan.json",
        ] {
            assert_eq!(thin(&step(good)), Ok(()), "{good}");
        }
        for bad in [
            "echo done",
            "nix run \"$SLIPWAY_XTASK\" -- chekc",
            "A=1 nix run \"$SLIPWAY_XTASK\" -- check",
            "nix run .#xtask -- check; rm -r x",
            "nix flake check\nset -x",
            "nix shell nixpkgs#git -c cargo xtask check",
            "nix flake check\nnix flake show\nnix store gc\nnix store verify",
        ] {
            assert!(thin(&step(bad)).is_err(), "{bad}");
        }
        let action = Step {
            uses: Some("docker/login@v3".to_owned()),
            ..Step::default()
        };
        assert!(thin(&action).is_err());
    }

    /// Of a pull request by anybody with write access a job can print whatever secret it names.
    #[test]
    fn our_workflows_know_no_secret_but_these() {
        for file in ours() {
            let secrets = super::super::expressions::mentioned("secrets", [file.text.as_str()]);
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let allowed: &[&str] = match file.name.as_str() {
                "deploy.yml" => &["DEPLOY_SSH_KEY", "TAILNET_OAUTH_SECRET"],
                // What the forge gives to each run.
                "build.yml" => &["GITHUB_TOKEN"],
                // A bot's: the key signs commits, of which the signer takes those to `flake.lock`.
                "update.yml" => &["GITHUB_TOKEN", "UPDATE_KEY", "UPDATE_TOKEN"],
                _ => &[],
            };
            assert_eq!(secrets, allowed, "{}", file.name);
            assert!(!file.text.contains("secrets: inherit"), "{}", file.name);
        }
    }

    #[test]
    fn our_deployment_is_built_first_and_never_cut_short() {
        let files = ours();
        let deploys: Vec<&File> = files.iter().filter(|it| deploys(&it.workflow)).collect();
        let names: Vec<&str> = deploys.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["deploy.yml"]);
        let workflow = &deploys[0].workflow;
        assert!(outlasts_a_push(workflow));
        let job = workflow.jobs.get("deploy").unwrap();
        assert_eq!(job.needs.0, ["build"]);
        let build = workflow.jobs.get("build").unwrap();
        assert_eq!(
            build.uses.as_deref(),
            Some("./.forgejo/workflows/build.yml")
        );
        // A called workflow that had none would be refused by the forge, after the push.
        let called = files.iter().find(|it| it.name == "build.yml").unwrap();
        assert!(called.text.contains("workflow_call:"));
    }

    #[test]
    fn our_workflows_are_thin_and_bounded() {
        let files = ours();
        assert!(files.len() > 2);
        for file in files {
            for (id, job) in &file.workflow.jobs.0 {
                for step in &job.steps {
                    let thin = thin(step);
                    assert!(thin.is_ok(), "{} {id}: {thin:?}", file.name);
                }
                // The forge ignores those, and stops a job only after hours.
                assert!(job.services.is_none() && job.container.is_none());
                assert_eq!(
                    job.timeout_minutes.is_none(),
                    job.uses.is_some(),
                    "{} {id}",
                    file.name
                );
            }
        }
    }
}
