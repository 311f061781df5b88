//! Starting a machine: what it is made of is found and built here, then its holder is started and listened to until the
//! machine is up. Given up before that, nothing stays.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use harness::{Harness, Kept};

use super::name::{not_running, Name};
use super::nixos::{self, Runner};
use super::place::{Place, Port, State};
use super::wire::{Event, New, Origin, Request, STAY};
use crate::cache_dir::CacheDir;
use crate::cli::Global;
use crate::evaluate::{self, Fleet};
use crate::failure::Failure;
use crate::fleet::host;
use crate::fleet::nearest::nearest;
use crate::fleet::stage::Stage;
use crate::process::detached::Detached;
use crate::process::{last_lines, own};
use crate::report::{self, progress::Progress};
use crate::scenarios::addresses;
use crate::scenarios::generations::{self, Generations};
use crate::scenarios::ground::{self, Provisions};
use crate::setup;

/// The host as it is configured.
const AS_CONFIGURED: &str = "as-configured";
/// Notes of a kept machine.
const FLEET: &str = "fleet";
const SOURCE: &str = "source";
const GENERATION: &str = "generation";

/// What a person wants to have.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub host: String,
    pub generation: Option<String>,
    pub forwards: Vec<Port>,
    /// A new disk, whatever the machine has written on its own.
    pub fresh: bool,
}

/// What became of it.
pub enum Started {
    Up(Box<Up>),
    /// NixOS's own machine, to be run in the foreground.
    Runner(Runner),
}

/// A machine that is up.
pub struct Up {
    pub state: State,
    pub trouble: Option<String>,
    /// What a person should know of its disk.
    pub note: Option<String>,
}

/// # Errors
/// Usage, for a host or generation that is none, or a machine that runs already; missing, if something that it needs
/// cannot be had; failed, if it does not come up.
pub async fn start(global: &Global, wanted: &Wanted) -> Result<Started> {
    let cache = CacheDir::find()?;
    let name = Name::of_host(&wanted.host);
    let place = Place::of(&cache, &name);
    let fleet = evaluate::open(global).await?;
    let survey = fleet.survey().await?;
    host::select(&survey.names(), std::slice::from_ref(&wanted.host))?;
    if fleet.stage == Stage::Nixos {
        return Ok(Started::Runner(nixos::build(&fleet, &place, wanted).await?));
    }
    if let Some(generation) = &wanted.generation {
        known_generation(&fleet, generation)?;
    }
    refuse_second(&place)?;
    ports_are_free(&wanted.forwards)?;
    let tools = setup::vm(global).await?;
    let kept = kept_disk(&cache, &name, wanted)?;
    let mut note = None;
    let (source, _built) = match kept {
        Some(kept) => {
            note = fits(&kept, &fleet, wanted)?;
            (Origin::Itself, None)
        }
        None => {
            let address = addresses::of_host(&wanted.host, &survey.inventory);
            let (new, built) = new(global, &fleet, wanted, address).await?;
            (Origin::New(new), Some(built))
        }
    };
    let request = Request {
        name,
        source,
        forwards: wanted.forwards.clone(),
        tools,
        cache: cache.machines(),
    };
    let (state, trouble) = hand_over(global, &place, request).await?;
    Ok(Started::Up(Box::new(Up {
        state,
        trouble,
        note,
    })))
}

/// A machine that runs; one that a failed play left is brought back first.
///
/// # Errors
/// Usage, if it does not run and was not kept; otherwise as `start`.
pub async fn of(global: &Global, text: &str) -> Result<State> {
    let cache = CacheDir::find()?;
    let name = Name::parse(text);
    if let Some(state) = Place::of(&cache, &name).state()? {
        return Ok(state);
    }
    if !name.is_host() {
        return resume(global, &name).await;
    }
    let running: Vec<Name> = Place::running(&cache)?
        .into_iter()
        .map(|state| state.name)
        .collect();
    Err(not_running(&name, &running).into())
}

/// A machine that a failed play left, as a copy: what is kept stays as it is.
///
/// # Errors
/// Usage, if there is none; otherwise as `start`.
async fn resume(global: &Global, name: &Name) -> Result<State> {
    let cache = CacheDir::find()?;
    let harness = Harness::without_tools(&cache.machines()).map_err(ground::worded)?;
    if harness.kept_machine(&name.group, &name.machine).is_none() {
        return Err(no_such_kept(&harness, name).into());
    }
    let place = Place::of(&cache, name);
    refuse_second(&place)?;
    let request = Request {
        name: name.clone(),
        source: Origin::Copy,
        forwards: Vec::new(),
        tools: setup::vm(global).await?,
        cache: cache.machines(),
    };
    let (state, trouble) = hand_over(global, &place, request).await?;
    if let Some(trouble) = trouble {
        report::say(&format!("{name}: {trouble}"));
    }
    Ok(state)
}

fn no_such_kept(harness: &Harness, name: &Name) -> Failure {
    let kept: Vec<String> = harness.kept().map_or_else(
        |_| Vec::new(),
        |all| all.iter().map(|it| Name::of_kept(it).to_string()).collect(),
    );
    let names: Vec<&str> = kept.iter().map(String::as_str).collect();
    let failure = Failure::usage(format!("no machine {name} was kept"));
    match nearest(&name.to_string(), &names).first() {
        Some(near) => failure.try_next((*near).to_owned()),
        None => failure.try_next(format!(
            "cargo xtask vm-test --keep-failed {}, which keeps the machines of a play that fails",
            name.group
        )),
    }
}

fn refuse_second(place: &Place) -> Result<()> {
    if place.is_taken()? {
        let name = &place.name;
        return Err(Failure::usage(format!("{name} runs already"))
            .try_next(format!(
                "cargo xtask vm shell {name}, or cargo xtask vm stop {name}"
            ))
            .into());
    }
    Ok(())
}

/// Told before anything is built; QEMU itself has the last word.
fn ports_are_free(forwards: &[Port]) -> Result<(), Failure> {
    for Port { host, .. } in forwards {
        if let Err(error) = TcpListener::bind((Ipv4Addr::LOCALHOST, *host)) {
            return Err(Failure::failed(format!(
                "port {host} of 127.0.0.1 cannot be had: {error}"
            ))
            .try_next(format!(
                "another port, or end what listens there: ss -ltnp 'sport = :{host}'"
            )));
        }
    }
    Ok(())
}

fn known_generation(fleet: &Fleet, wanted: &str) -> Result<(), Failure> {
    // Those of a fleet elsewhere are Nix's to know.
    let Some(root) = fleet.folder() else {
        return Ok(());
    };
    let names = generations(&root.join("tests/generations"));
    if names.iter().any(|name| name == wanted) {
        return Ok(());
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let failure = Failure::usage(format!("no generation is called `{wanted}`"));
    let near = nearest(wanted, &names);
    Err(match near.is_empty() {
        true => failure.try_next(format!("one of {}", names.join(", "))),
        false => failure.try_next(near.join(", ")),
    })
}

fn generations(folder: &Path) -> Vec<String> {
    let mut names = vec![AS_CONFIGURED.to_owned()];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name();
        names.extend(
            file.to_str()
                .and_then(|name| name.strip_suffix(".nix"))
                .map(str::to_owned),
        );
    }
    names[1..].sort();
    names
}

/// The disk that the machine had when it was stopped. With `--fresh` it stays until a new one takes its place.
fn kept_disk(cache: &CacheDir, name: &Name, wanted: &Wanted) -> Result<Option<Kept>> {
    if wanted.fresh {
        return Ok(None);
    }
    let harness = Harness::without_tools(&cache.machines()).map_err(ground::worded)?;
    Ok(harness.kept_machine(&name.group, &name.machine))
}

/// Whether a kept disk is what is wanted: an error if it is not, a note if it may not be.
fn fits(kept: &Kept, fleet: &Fleet, wanted: &Wanted) -> Result<Option<String>, Failure> {
    let host = &wanted.host;
    let note = |key: &str| kept.notes.get(key).map_or("", String::as_str);
    let anew = format!("cargo xtask vm start {host} --fresh, which begins with a new disk");
    if note(FLEET) != fleet.flake.reference {
        return Err(Failure::usage(format!(
            "the disk of {host} is of another fleet: {}",
            note(FLEET)
        ))
        .try_next(anew));
    }
    let has = note(GENERATION);
    if let Some(generation) = wanted.generation.as_deref().filter(|it| *it != has) {
        return Err(Failure::usage(format!(
            "the disk of {host} has the generation {has}, not {generation}"
        ))
        .try_next(anew));
    }
    let older = note(SOURCE) != fleet.source.whole().as_str();
    Ok(older.then(|| {
        format!("the fleet has changed since the disk of {host} was made; --fresh takes the new configuration")
    }))
}

/// A new disk: the wanted generation, built, and what else its machine is made of. The closure is kept from being
/// collected as long as the second value lives.
async fn new(
    global: &Global,
    fleet: &Fleet,
    wanted: &Wanted,
    address: String,
) -> Result<(New, Generations)> {
    let provisions = Provisions::provide(global).await?;
    let generation = wanted
        .generation
        .clone()
        .unwrap_or_else(|| AS_CONFIGURED.to_owned());
    let of_host = generations::Wanted {
        scenario: None,
        host: wanted.host.clone(),
        generation: generation.clone(),
    };
    let live = report::live(global.plain);
    let built = Generations::provide(fleet, &[of_host.clone()].into(), live).await?;
    let closure = built
        .closure(&of_host)
        .with_context(|| format!("no closure of {} was built", wanted.host))?;
    let notes: BTreeMap<String, String> = [
        (FLEET, fleet.flake.reference.clone()),
        (SOURCE, fleet.source.whole().as_str().to_owned()),
        (GENERATION, generation),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into();
    let new = New {
        programs: provisions.of_image.clone(),
        toplevel: closure.toplevel.clone(),
        nix_bin: fleet
            .nix
            .program()
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned),
        nix_conf: fleet.nix.conf_dir().map(Path::to_owned),
        address,
        notes,
    };
    Ok((new, built))
}

/// Starts the holder and listens until the machine is up, which it then keeps without us.
async fn hand_over(
    global: &Global,
    place: &Place,
    request: Request,
) -> Result<(State, Option<String>)> {
    let live = report::live(global.plain);
    let mut progress = Progress::start(live, request.name.to_string());
    place.make()?;
    let log = place.holder_log();
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut holder = Detached::start(&own::program(), &["vm", "hold"], file)?;
    let (tell, mut heard) = tokio::sync::mpsc::unbounded_channel();
    // The thread has the holder, and with it the pipe: given up here, it ends with this process, and the pipe closes.
    let listening = tokio::task::spawn_blocking(move || -> Result<(State, Option<String>)> {
        holder.tell(&serde_json::to_string(&request)?)?;
        while let Some(line) = holder.hear()? {
            match serde_json::from_str(&line).context("cannot read what the holder says")? {
                Event::Doing(what) => drop(tell.send(what)),
                Event::Failed(refusal) => return Err(refusal.failure().into()),
                Event::Ready { state, trouble } => {
                    holder.tell(STAY)?;
                    return Ok((state, trouble));
                }
            }
        }
        let said = std::fs::read_to_string(&log).unwrap_or_default();
        Err(Failure::failed(format!(
            "the process that holds {} ended: {}",
            request.name,
            last_lines(&said, 5)
        ))
        .try_next(format!("read {}", log.display()))
        .into())
    });
    let mut told = String::new();
    while let Some(what) = heard.recv().await {
        if live {
            progress.detail(&what);
        } else if what != told {
            report::say(&what);
            told = what;
        }
    }
    drop(progress);
    listening
        .await?
        .with_context(|| format!("cannot start {}", place.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_somebody_has_is_named() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let host = taken.local_addr().unwrap().port();
        let failure = ports_are_free(&[Port { host, guest: 80 }]).unwrap_err();
        let wanted = format!("port {host} of 127.0.0.1 cannot be had");
        assert!(failure.to_string().starts_with(&wanted), "{failure}");
        assert!(failure.next_step().unwrap().contains(&host.to_string()));
    }

    #[test]
    fn generations_are_the_files_of_the_folder_and_the_host_itself() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["next.nix", "good.nix", "README.md"] {
            std::fs::write(dir.path().join(file), "").unwrap();
        }
        assert_eq!(generations(dir.path()), [AS_CONFIGURED, "good", "next"]);
    }
}
