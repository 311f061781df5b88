//! The machines of a play, all of them up, each with the keys of this play; and the controller.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::controller::Desk;
use super::facts::{Look, Names};
use super::ground::{Closure, Closures, Ground};
use super::install::{wait_settled, Installation};
use super::{Observer, PlayOptions};
use crate::error::{Error, ErrorKind, Result};
use crate::harness::Harness;
use crate::lan::Lan;
use crate::machine::{Exec, Machine, Origin, Ready, Spec};
use crate::run::Run;
use crate::scenario::{self, fill, GenerationOf, HostMachine, Play};

/// Guest seconds for writing a few files.
const BRIEF: Duration = Duration::from_secs(30);

/// Arguments: a file and its text, and so on.
const TRUST: &str = r#"set -eu
while [ $# -gt 0 ]; do
  mkdir -p "${1%/*}"
  printf '%s\n' "$2" >"$1"
  shift 2
done
# One that runs has read the old file; its socket starts the next.
pkill -x nix-daemon || true
# The first power cut may come before the kernel would have written it.
sync"#;

pub(super) struct Stage<'a> {
    /// First, for it is dropped first: what the controller started ends while its folder and the machines are there.
    pub desk: Desk,
    pub play: &'a Play,
    pub ground: &'a Ground,
    pub run: Run,
    /// As the play means them: a control's `swap` is applied.
    pub closures: Closures,
    pub machines: BTreeMap<String, Machine>,
    pub lan: Lan,
    /// Host seconds of a guest second.
    pub scale: f64,
}

impl<'a> Stage<'a> {
    pub fn set_up(
        harness: &Harness,
        ground: &'a Ground,
        play: &'a Play,
        options: &PlayOptions,
        observer: &dyn Observer,
    ) -> Result<Self> {
        let closures = meant(play, &ground.closures)?;
        let scale = harness.speed(&ground.image)?.scale;
        let run = harness.run(&run_name(&play.name), &options.logs)?;
        let lan = network(&run, ground, play)?;
        let names: Vec<String> = play.machines.keys().cloned().collect();
        let desk = Desk::set_up(&run, ground, &closures, &names, scale)?;
        let setting = Setting {
            run: &run,
            ground,
            closures: &closures,
            lan: &lan,
            desk: &desk,
            cold: options.cold,
            observer,
        };
        let mut machines = BTreeMap::new();
        std::thread::scope(|scope| {
            let starting: Vec<_> = play
                .machines
                .iter()
                .map(|(name, machine)| {
                    let setting = &setting;
                    scope.spawn(move || {
                        observer.setup(name, "starting");
                        let started = setting.start(name, machine)?;
                        observer.setup(name, "up");
                        Ok((name.clone(), started))
                    })
                })
                .collect();
            for thread in starting {
                let (name, machine) = thread.join().unwrap_or_else(|_| {
                    Err(Error::new(ErrorKind::Io, "a thread of the player panicked"))
                })?;
                machines.insert(name, machine);
            }
            Ok::<(), Error>(())
        })?;
        Ok(Self {
            play,
            ground,
            run,
            closures,
            machines,
            lan,
            desk,
            scale,
        })
    }

    pub fn machine(&self, name: &str) -> Result<&Machine> {
        self.machines.get(name).ok_or_else(|| {
            Error::new(
                ErrorKind::State,
                format!("the play has no machine `{name}`"),
            )
        })
    }

    pub fn look(&self, name: &str) -> Result<Look<'_>> {
        let machine = self.machine(name)?;
        Ok(Look {
            names: Names {
                closures: &self.closures,
                machine: machine.name(),
            },
            machine,
            desk: &self.desk,
            user: &self.ground.trust.user,
        })
    }

    /// `{{machine.generation}}` and its like, put in.
    pub fn fill(&self, text: &str) -> Result<String> {
        fill(text, &|word| {
            let mut parts = word.trim().split('.');
            let (machine, what) = (parts.next()?, parts.next()?);
            if what == "address" {
                return self.ground.addresses.get(machine).cloned();
            }
            let closure = self.closures.get(&GenerationOf {
                machine: machine.to_owned(),
                generation: what.to_owned(),
            })?;
            let path = match parts.next() {
                None => &closure.toplevel,
                Some("profile") => &closure.profile,
                Some(_) => return None,
            };
            Some(path.display().to_string())
        })
        .map_err(|word| {
            Error::new(
                ErrorKind::State,
                format!("nothing is known of {{{{{word}}}}}"),
            )
        })
    }

    /// Guest time as time on this host.
    pub fn host_time(&self, guest: Duration) -> Duration {
        guest.mul_f64(self.scale)
    }
}

/// What starting each machine needs.
struct Setting<'a> {
    run: &'a Run,
    ground: &'a Ground,
    closures: &'a Closures,
    lan: &'a Lan,
    desk: &'a Desk,
    cold: bool,
    observer: &'a dyn Observer,
}

impl Setting<'_> {
    fn start(&self, name: &str, machine: &scenario::Machine) -> Result<Machine> {
        let spec = |ready| Spec {
            model: self.ground.model,
            lan: Some(self.lan.clone()),
            ready,
            ..Spec::new(name)
        };
        match machine {
            scenario::Machine::Helper => {
                let origin = origin(self.cold, Origin::Up);
                self.run.start(&self.ground.image, spec(Ready::Ssh), origin)
            }
            scenario::Machine::Host(host) => {
                let machine = self.start_host(name, host, spec(Ready::Agent))?;
                self.trust(&machine)?;
                Ok(machine)
            }
        }
    }

    fn start_host(&self, name: &str, host: &HostMachine, spec: Spec) -> Result<Machine> {
        let first = host
            .generations
            .first()
            .ok_or_else(|| Error::new(ErrorKind::State, format!("{name} has no generation")))?;
        let closure = self.closure(name, first)?;
        let in_store: Vec<PathBuf> = host
            .in_store
            .iter()
            .map(|of| self.closure(&of.machine, &of.generation))
            .collect::<Result<Vec<_>>>()?
            .into_iter()
            .flat_map(|closure| [closure.toplevel.clone(), closure.profile.clone()])
            .collect();
        let installation = Installation {
            nix: &self.ground.nix,
            toplevel: &closure.toplevel,
            in_store: &in_store,
            key_file: &self.ground.trust.installed_key,
        };
        let install = |machine: &Machine| {
            let words = format!("{first} is installed, which is kept for the next time");
            self.observer.setup(name, &words);
            installation.install(machine)
        };
        let key = installation.key();
        let kept = Origin::Snapshot {
            key: &key,
            prepare: &install,
        };
        let origin = origin(self.cold, kept);
        let machine = self.run.start(&self.ground.image, spec, origin)?;
        if self.cold {
            self.observer.setup(name, &format!("{first} is installed"));
            installation.install(&machine)?;
            return Ok(machine);
        }
        wait_settled(&machine, BRIEF)?;
        Ok(machine)
    }

    fn closure(&self, machine: &str, generation: &str) -> Result<&Closure> {
        self.closures
            .get(&GenerationOf {
                machine: machine.to_owned(),
                generation: generation.to_owned(),
            })
            .ok_or_else(|| no_closure(machine, generation))
    }

    /// The play's keys may log in, and what they sign is taken.
    fn trust(&self, machine: &Machine) -> Result<()> {
        let key = |word: &str| match word {
            "ssh-key" => Some(self.run.public_key().to_owned()),
            "nix-key" => Some(self.desk.nix_public_key.clone()),
            "signer-key" => Some(self.desk.signer_public_key.clone()),
            _ => None,
        };
        let mut argv: Vec<String> = ["/bin/sh", "-c", TRUST, "trust"].map(str::to_owned).into();
        for (file, text) in &self.ground.trust.files {
            let text = fill(text, &key).map_err(|word| {
                Error::new(
                    ErrorKind::State,
                    format!("{file} wants {{{{{word}}}}}, which is no key of a play"),
                )
            })?;
            argv.extend([file.clone(), text]);
        }
        let output = machine.exec(Exec::new(argv).timeout(BRIEF))?;
        match output.success() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Command,
                format!(
                    "{} could not be given the play's keys: {}",
                    machine.name(),
                    output.last_lines(3)
                ),
            )),
        }
    }
}

/// Where a machine comes from: with `cold` nothing that is kept is used.
fn origin(cold: bool, kept: Origin<'_>) -> Origin<'_> {
    match cold {
        true => Origin::Cold,
        false => kept,
    }
}

/// The closures by the names that the play uses: where a control swaps, a name stands for another generation.
pub(super) fn meant(play: &Play, closures: &Closures) -> Result<Closures> {
    let Some(control) = &play.control else {
        return Ok(closures.clone());
    };
    let mut meant = closures.clone();
    for (of, closure) in &mut meant {
        if let Some(other) = control.swap.get(&of.generation) {
            let instead = GenerationOf {
                machine: of.machine.clone(),
                generation: other.clone(),
            };
            *closure = closures
                .get(&instead)
                .ok_or_else(|| no_closure(&of.machine, other))?
                .clone();
        }
    }
    Ok(meant)
}

fn no_closure(machine: &str, generation: &str) -> Error {
    Error::new(
        ErrorKind::State,
        format!("nobody has built generation {generation} of {machine}"),
    )
}

fn network(run: &Run, ground: &Ground, play: &Play) -> Result<Lan> {
    let members =
        play.machines
            .keys()
            .map(|name| {
                let address = ground.addresses.get(name).ok_or_else(|| {
                    Error::new(ErrorKind::State, format!("{name} has no address"))
                })?;
                Ok((name.as_str(), format!("{address}/24")))
            })
            .collect::<Result<Vec<_>>>()?;
    let members: Vec<(&str, &str)> = members
        .iter()
        .map(|(name, address)| (*name, address.as_str()))
        .collect();
    run.lan("lan", &members)
}

/// Folders and sockets have it in their names.
fn run_name(play: &str) -> String {
    play.chars().take(24).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Control;

    fn of(generation: &str) -> GenerationOf {
        GenerationOf {
            machine: "Niko".to_owned(),
            generation: generation.to_owned(),
        }
    }

    fn closure(hash: &str) -> Closure {
        Closure {
            toplevel: format!("/nix/store/{hash}-nixos").into(),
            profile: format!("/nix/store/{hash}-activatable").into(),
            host: "null".to_owned(),
        }
    }

    fn control(swap: &[(&str, &str)]) -> Play {
        let swap = swap
            .iter()
            .map(|(one, other)| ((*one).to_owned(), (*other).to_owned()));
        Play {
            name: "p".to_owned(),
            scenario: "p".to_owned(),
            cell: None,
            control: Some(Control {
                number: 1,
                title: "t".to_owned(),
                leave_out: Vec::new(),
                swap: swap.collect(),
                fails_at: "s".to_owned(),
            }),
            title: "t".to_owned(),
            proves: "p".to_owned(),
            machines: BTreeMap::new(),
            steps: Vec::new(),
            file: "p.toml".to_owned(),
        }
    }

    #[test]
    fn a_cold_play_restores_nothing() {
        assert!(matches!(origin(true, Origin::Up), Origin::Cold));
        assert!(matches!(origin(false, Origin::Up), Origin::Up));
        let prepare: crate::machine::Prepare = &|_| Ok(());
        let kept = Origin::Snapshot { key: "k", prepare };
        assert!(matches!(origin(true, kept), Origin::Cold));
        assert!(matches!(origin(false, kept), Origin::Snapshot { .. }));
    }

    #[test]
    fn a_swapped_name_stands_for_the_other_generation() {
        let closures: Closures = [(of("good"), closure("1")), (of("bad"), closure("2"))].into();
        let swapped = meant(&control(&[("bad", "good")]), &closures).unwrap();
        assert_eq!(swapped[&of("bad")], closure("1"));
        assert_eq!(swapped[&of("good")], closure("1"));
        let both = meant(&control(&[("bad", "good"), ("good", "bad")]), &closures).unwrap();
        assert_eq!(both[&of("good")], closure("2"));
        let error = meant(&control(&[("bad", "gone")]), &closures).unwrap_err();
        assert_eq!(
            error.to_string(),
            "nobody has built generation gone of Niko"
        );
    }
}
