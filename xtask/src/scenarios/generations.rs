//! The generations of the hosts that plays need: evaluated, built, and kept from being collected while they are played.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::scenario::{Closure, Closures, GenerationOf, Machine, Play};
use serde::{Deserialize, Serialize};

use super::select::Choice;
use crate::evaluate::{kept, Fleet};
use crate::failure::Failure;
use crate::process::last_lines;
use crate::report::progress::Progress;
use crate::tools::nix::error::{files_of, parse};

const FUNCTION: &str = include_str!("generations.nix");

/// Under this name evaluations are kept.
const KIND: &str = "generations";

/// A generation of a host, as the flake output `scenarioGenerations` has it, or without a scenario `hostGenerations`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Wanted {
    pub scenario: Option<String>,
    pub host: String,
    pub generation: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Derivation {
    drv: crate::fleet::store_path::StorePath,
    out: crate::fleet::store_path::StorePath,
}

/// What was built; kept from being collected until this is dropped.
#[derive(Debug)]
pub struct Generations {
    built: BTreeMap<Wanted, Closure>,
    _roots: tempfile::TempDir,
}

/// All that these plays need, each once.
pub fn wanted(choices: &[Choice]) -> BTreeSet<Wanted> {
    let plays = choices.iter().flat_map(|choice| &choice.plays);
    plays.flat_map(|play| of_play(play).into_values()).collect()
}

/// By the play's own names.
fn of_play(play: &Play) -> BTreeMap<GenerationOf, Wanted> {
    let mut all = BTreeMap::new();
    for (machine, kind) in &play.machines {
        let Machine::Host(kind) = kind else {
            continue;
        };
        for generation in &kind.generations {
            let of = GenerationOf {
                machine: machine.clone(),
                generation: generation.clone(),
            };
            let wanted = Wanted {
                scenario: Some(play.scenario.clone()),
                host: kind.host.clone(),
                generation: generation.clone(),
            };
            all.insert(of, wanted);
        }
    }
    all
}

impl Generations {
    /// Evaluates what is not known from an earlier run, and builds what is not there.
    ///
    /// # Errors
    /// Failed, if something does not evaluate or build.
    pub async fn provide(fleet: &Fleet, wanted: &BTreeSet<Wanted>, live: bool) -> Result<Self> {
        let mut progress = Progress::start(live, "generations");
        progress.detail("evaluating");
        let derivations = evaluate(fleet, wanted).await?;
        let folder = fleet.cache.roots().join("vm-test");
        let roots = std::fs::create_dir_all(&folder)
            .and_then(|()| {
                prune(&folder);
                tempfile::tempdir_in(&folder)
            })
            .with_context(|| format!("cannot make a folder for links in {}", folder.display()))?;
        build(fleet, &derivations, roots.path(), &mut progress).await?;
        let mut built = BTreeMap::new();
        for (wanted, derivation) in wanted.iter().zip(&derivations) {
            let closure = read(derivation.out.as_path())
                .with_context(|| format!("cannot read {}", derivation.out))?;
            built.insert(wanted.clone(), closure);
        }
        Ok(Self {
            built,
            _roots: roots,
        })
    }

    /// One of them.
    pub fn closure(&self, wanted: &Wanted) -> Option<&Closure> {
        self.built.get(wanted)
    }

    /// Those of one play, by its own names.
    pub fn closures(&self, play: &Play) -> Closures {
        let of_play = of_play(play).into_iter();
        of_play
            .filter_map(|(of, wanted)| Some((of, self.built.get(&wanted)?.clone())))
            .collect()
    }
}

async fn evaluate(fleet: &Fleet, wanted: &BTreeSet<Wanted>) -> Result<Vec<Derivation>> {
    let expression = expression(wanted)?;
    let fingerprint = fleet
        .source
        .clone()
        .with_context(&[fleet.source.whole().as_str(), &expression])
        .whole();
    if let Some(known) = kept::read::<Vec<Derivation>>(&fleet.cache, KIND, &fingerprint) {
        // What was collected since is evaluated again, as its derivations are gone too.
        if known.iter().all(|it| it.drv.as_path().exists()) {
            return Ok(known);
        }
    }
    let output = fleet
        .nix
        .evaluation(&fleet.flake, fleet.stage, &expression)
        .arg("--json")
        .capture()
        .await?;
    if !output.status.success() {
        let error = parse(&output.stderr, files_of(fleet.folder()));
        let message = format!(
            "cannot evaluate the generations of the machines: {}",
            fleet.worded(&error)
        );
        return Err(fleet.failure(message).into());
    }
    let derivations: Vec<Derivation> = serde_json::from_slice(&output.stdout)
        .context("cannot read what Nix says of the generations")?;
    // Without a cache the answer is the same, only slower the next time.
    let _ = kept::write(&fleet.cache, KIND, &fingerprint, &derivations);
    Ok(derivations)
}

/// Names of scenarios, hosts and generations have no `${` in them, and JSON spells other strings as Nix does.
fn expression(wanted: &BTreeSet<Wanted>) -> Result<String> {
    let list = serde_json::to_string(wanted)?;
    let list = serde_json::to_string(&list)?.replace("${", "\\${");
    Ok(format!(
        "({FUNCTION}) {{ wanted = builtins.fromJSON {list}; }}"
    ))
}

async fn build(
    fleet: &Fleet,
    derivations: &[Derivation],
    roots: &Path,
    progress: &mut Progress,
) -> Result<()> {
    let drvs: BTreeSet<_> = derivations.iter().map(|it| &it.drv).collect();
    // A deployment asks for the derivation of what it is given; those of a generation have all others in them.
    let drvs: Vec<_> = drvs.into_iter().collect();
    fleet
        .nix
        .add_roots(&drvs, &roots.join("derivation"))
        .await?;
    let output = fleet
        .nix
        .build_linked(drvs.iter().copied(), fleet.stage, &roots.join("generation"))
        .stream(|line| {
            if let Some(name) = building(line) {
                progress.detail(&format!("building {name}"));
            }
        })
        .await?;
    if output.status.success() {
        return Ok(());
    }
    let said = last_lines(&output.stderr, 20);
    Err(Failure::failed(format!(
        "cannot build the generations of the machines: nix build {}:\n{said}",
        output.status
    ))
    .into())
}

/// `building '/nix/store/…-name.drv'...`
fn building(line: &str) -> Option<&str> {
    let path = line.strip_prefix("building '")?.split('\'').next()?;
    let name = path.rsplit('/').next()?.get(33..)?;
    Some(name.trim_end_matches(".drv"))
}

fn read(folder: &Path) -> Result<Closure> {
    let link = |name: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        std::fs::canonicalize(&path).with_context(|| format!("no {}", path.display()))
    };
    Ok(Closure {
        toplevel: link("toplevel")?,
        profile: link("profile")?,
        host: std::fs::read_to_string(folder.join("host.json")).context("no host.json")?,
    })
}

/// What a killed run left: no play takes a day.
fn prune(folder: &Path) {
    const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if age.is_some_and(|age| age > DAY) {
            // It is tried again the next time.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{choice, control, play};
    use super::*;

    #[test]
    fn a_control_needs_nothing_that_its_scenario_does_not_need() {
        let all = [choice("one", vec![play("one"), control("one", 1)])];
        let names: Vec<_> = wanted(&all).into_iter().map(|it| it.generation).collect();
        assert_eq!(names, ["as-configured", "good"]);
    }

    #[test]
    fn the_expression_names_what_is_wanted() {
        let expression = expression(&wanted(&[choice("one", vec![play("one")])])).unwrap();
        let end = r#"{ wanted = builtins.fromJSON "[{\"scenario\":\"one\",\"host\":\"Niko\",\"generation\":\"as-configured\"},{\"scenario\":\"one\",\"host\":\"Niko\",\"generation\":\"good\"}]"; }"#;
        assert!(expression.ends_with(end), "{expression}");
    }

    #[test]
    fn what_is_built_is_told_by_its_name() {
        let line =
            "building '/nix/store/00000000000000000000000000000000-nixos-system-Niko.drv'...";
        assert_eq!(building(line), Some("nixos-system-Niko"));
        assert_eq!(building("warning: x"), None);
    }
}
