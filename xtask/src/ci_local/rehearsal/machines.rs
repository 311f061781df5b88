//! The machines that stand in for hosts: started, given the keys of the run, and asked afterwards what they run, all of it
//! over the harness's own channel. What blocks here is for a thread of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use harness::scenario::{fill, Installation, Nix};
use harness::{Error, ErrorKind, Exec, Image, Machine, Origin, Progress, Ready, Run, Spec, Wait};

use super::keys::Keys;
use crate::cli::Accel;
use crate::fleet::host::HostName;
use crate::fleet::inventory::{Door, Slowness};
use crate::fleet::store_path::StorePath;
use crate::report;
use crate::report::words::seconds;
use crate::scenarios::ground::{self, worded, HarnessOptions, Provisions, INSTALLED_KEY};

/// Guest seconds for writing a few files, and until sshd says something.
const BRIEF: Duration = Duration::from_secs(60);

/// A host that gets a machine.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub host: HostName,
    /// What it is installed with, built.
    pub toplevel: StorePath,
    /// In the machines' own network.
    pub address: String,
}

/// What they are started with.
pub struct Start {
    pub provisions: Provisions,
    /// The harness's cache.
    pub cache: PathBuf,
    pub logs: PathBuf,
    pub nix: Nix,
    pub wanted: Vec<Wanted>,
    /// What is written where in each of them, so that it takes the run's keys.
    pub trust: Vec<(String, String)>,
}

/// They end when this is dropped.
#[derive(Debug)]
pub struct Machines {
    all: BTreeMap<HostName, Machine>,
    /// Of each of them, if all are busy.
    pub slowness: Slowness,
    _run: Run,
}

/// Against one machine alone on the harness's reference machine, where xtask's time-outs are known to do. Each has a CPU:
/// when all are busy it has its share of those that are here, and less where others want them too, as while they started.
fn slowness(scale: f64, machines: usize, cpus: usize, starved: f64) -> Slowness {
    // Nobody has so many that a float could not count them.
    #[allow(clippy::cast_precision_loss)]
    let share = machines as f64 / cpus as f64;
    Slowness::of(scale * share.max(starved).max(1.0))
}

/// As `ground::trust` says, with the keys of this run.
///
/// # Errors
/// If a file wants a key that no run has.
pub fn trust(keys: &Keys) -> Result<Vec<(String, String)>> {
    let key = |word: &str| match word {
        "ssh-key" => Some(keys.deploy_public.clone()),
        "nix-key" => Some(keys.nix_public.clone()),
        "signer-key" => Some(keys.release_public.clone()),
        _ => None,
    };
    let mut all = Vec::new();
    for (file, text) in ground::trust().files {
        let text = fill(&text, &key)
            .map_err(|word| anyhow::anyhow!("{file} wants {{{{{word}}}}}, which is no key here"))?;
        all.push((file, format!("{text}\n")));
    }
    Ok(all)
}

impl Start {
    /// Starts all of them, two boots at a time, and waits until each answers.
    ///
    /// # Errors
    /// Missing, if the harness lacks something; failed, if a machine does not come up.
    pub fn start(self) -> Result<Machines> {
        let options = HarnessOptions {
            accelerator: ground::accelerator(Accel::Auto),
            timeout_scale: 1.0,
            progress: Progress::new(|object, step| {
                if matches!(object, "image" | "accelerator") {
                    report::say(&format!("{object}: {step}"));
                }
            }),
        };
        let harness = self.provisions.harness(&self.cache, options)?;
        let (image, speed) = self.provisions.image(&harness)?;
        let run = harness.run("ci-local", &self.logs).map_err(worded)?;
        let started = self.on(&run, &image).map_err(worded)?;
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let starved = started.values().map(Machine::starved).fold(1.0, f64::max);
        Ok(Machines {
            slowness: slowness(speed.scale, started.len(), cpus, starved),
            all: started,
            _run: run,
        })
    }

    fn on(&self, run: &Run, image: &Image) -> harness::Result<BTreeMap<HostName, Machine>> {
        let members: Vec<(&str, String)> = self
            .wanted
            .iter()
            .map(|it| (it.host.as_str(), format!("{}/24", it.address)))
            .collect();
        let members: Vec<(&str, &str)> = members
            .iter()
            .map(|(name, address)| (*name, address.as_str()))
            .collect();
        let lan = run.lan("lan", &members)?;
        let mut all = BTreeMap::new();
        std::thread::scope(|scope| {
            let starting: Vec<_> = self
                .wanted
                .iter()
                .map(|wanted| {
                    let spec = Spec {
                        lan: Some(lan.clone()),
                        ready: Ready::Agent,
                        ..Spec::new(wanted.host.as_str())
                    };
                    scope.spawn(move || {
                        let began = Instant::now();
                        let machine = self.one(run, image, wanted, spec)?;
                        let took = seconds(began.elapsed().as_secs_f64());
                        report::say(&format!("machine {}: up in {took} s", wanted.host));
                        Ok((wanted.host.clone(), machine))
                    })
                })
                .collect();
            for thread in starting {
                let (host, machine) = thread.join().unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorKind::Io,
                        "a thread that starts a machine panicked",
                    ))
                })?;
                all.insert(host, machine);
            }
            Ok::<(), Error>(())
        })?;
        Ok(all)
    }

    fn one(
        &self,
        run: &Run,
        image: &Image,
        wanted: &Wanted,
        spec: Spec,
    ) -> harness::Result<Machine> {
        let installation = Installation {
            nix: &self.nix,
            toplevel: wanted.toplevel.as_path(),
            in_store: &[],
            key_file: INSTALLED_KEY,
        };
        let install = |machine: &Machine| {
            let host = &wanted.host;
            report::say(&format!(
                "machine {host}: being installed, which is kept for the next time"
            ));
            installation.install(machine)
        };
        let origin = Origin::Snapshot {
            key: &installation.key(),
            prepare: &install,
        };
        let machine = run.start(image, spec, origin)?;
        for (file, text) in &self.trust {
            let folder = Path::new(file).parent().unwrap_or(Path::new("/"));
            let folder = folder.to_string_lossy();
            machine.exec(Exec::new(["mkdir", "-p", folder.as_ref()]))?;
            machine.write_file(file, 0o644, text.as_bytes())?;
        }
        // One that runs has read the old file; its socket starts the next.
        machine.shell("pkill -x nix-daemon || true")?;
        machine.wait_for(&Wait::Banner, BRIEF)?;
        Ok(machine)
    }
}

impl Machines {
    /// Behind which door each is, for who comes in by ssh.
    ///
    /// # Errors
    /// If one has none.
    pub fn doors(&self) -> Result<BTreeMap<HostName, Door>> {
        let door = |(host, machine): (&HostName, &Machine)| {
            let port = machine
                .port(22)
                .with_context(|| format!("nobody knows the port of {host}"))?;
            let key = machine.host_key().to_owned();
            Ok((host.clone(), Door { port, key }))
        };
        self.all.iter().map(door).collect()
    }

    /// That of a host; none if it has none.
    pub fn of(&self, host: &HostName) -> Option<&Machine> {
        self.all.get(host)
    }

    /// What each runs now; the inner error is why that is not known.
    pub fn running(&self) -> BTreeMap<HostName, Result<StorePath, String>> {
        let asked = |machine: &Machine| -> Result<StorePath> {
            let path = machine
                .shell("readlink -f /run/current-system")
                .map_err(worded)?;
            StorePath::parse(&path)
        };
        let all = self.all.iter();
        all.map(|(host, machine)| {
            (
                host.clone(),
                asked(machine).map_err(|error| format!("{error:#}")),
            )
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_that_share_a_cpu_are_slower() {
        assert_eq!(slowness(1.0, 2, 2, 1.0), Slowness::of(1.0));
        assert_eq!(slowness(1.2, 6, 2, 1.5), Slowness::of(4.0));
        assert_eq!(slowness(1.2, 1, 2, 6.0), Slowness::of(8.0));
        // With KVM, and more CPUs than machines.
        assert_eq!(slowness(0.5, 1, 8, 1.0), Slowness::of(1.0));
    }
}
