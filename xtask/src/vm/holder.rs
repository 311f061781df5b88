//! The process that holds one machine: brings it up for whoever started it, then answers on its socket until it is asked
//! to stop or the machine is off. When this process ends, however it ends, its QEMU ends too.

use std::io::{BufRead, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{bail, Context, Result};
use harness::scenario::{Installation, Nix};
use harness::{
    Exec, Forward, Harness, Machine, Options, Origin as Start, Progress, Ready, Run, Spec,
    Terminal, Tools, Wait,
};

use super::place::{Place, Port, State};
use super::wire::{Answer, Ask, Event, Line, New, Origin, Refusal, Request, STAY};
use crate::cache_dir::CacheDir;
use crate::failure::{self, Exit};
use crate::scenarios::ground::{worded, INSTALLED_KEY};

/// Who comes in by ssh, if the configuration has such a user; root cannot, on a host.
const USER: &str = "operator";

/// Where a host's machine looks for keys (`tests/machine`).
const KEYS: &str = "/etc/slipway-test/authorized_keys";

/// Guest seconds until sshd says something, once the agent answers.
const SSHD: Duration = Duration::from_secs(20);
/// Guest seconds that somebody who came back may take to answer: it stood in the middle of something.
const AGENT_OF_COPY: Duration = Duration::from_secs(10);
/// How often it is looked whether the machine is still on.
const LOOK: Duration = Duration::from_millis(500);

/// Blocks until the machine is off.
pub fn hold(cache: &CacheDir) -> Exit {
    // Fails only for a process that leads its own session already, which is what is wanted.
    let _ = nix::unistd::setsid();
    let stdin = std::io::stdin();
    let mut first = String::new();
    let request = match stdin.lock().read_line(&mut first) {
        Ok(_) => serde_json::from_str::<Request>(&first).context("cannot read the request"),
        Err(error) => Err(error).context("cannot read the request"),
    };
    let wanted = Arc::new(AtomicBool::new(false));
    let (stay, stays) = mpsc::channel();
    watch_starter(Arc::clone(&wanted), stay);
    match request.and_then(|request| hold_it(cache, &request, &wanted, &stays)) {
        Ok(()) => Exit::Passed,
        Err(error) => {
            tell(&Event::Failed(refusal(&error)));
            failure::exit_of(&error)
        }
    }
}

/// Ends this process, and with it the machine, when the starter is gone before it has said that it wants it to stay.
fn watch_starter(wanted: Arc<AtomicBool>, stay: Sender<()>) {
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_ok_and(|line| line == STAY) {
                wanted.store(true, Ordering::SeqCst);
                // The machine may be off by now.
                let _ = stay.send(());
            }
        }
        if !wanted.load(Ordering::SeqCst) {
            std::process::exit(Exit::Interrupted as i32);
        }
    });
}

fn hold_it(
    cache: &CacheDir,
    request: &Request,
    wanted: &AtomicBool,
    stays: &Receiver<()>,
) -> Result<()> {
    let place = Place::of(cache, &request.name);
    let Some(_held) = place.take()? else {
        bail!("{} runs already", request.name);
    };
    let logs = place.logs();
    if logs.exists() {
        std::fs::remove_dir_all(&logs)
            .with_context(|| format!("cannot remove {}", logs.display()))?;
    }
    let harness = Harness::open(Options {
        tools: Tools::debian(&request.tools),
        cache: request.cache.clone(),
        accelerator: harness::Wanted::Auto,
        timeout_scale: 1.0,
        progress: Progress::new(doing),
    })
    .map_err(worded)?;
    let run = harness
        .run(&format!("vm-{}", request.name.machine), &logs)
        .map_err(worded)?;
    let up = bring_up(&harness, &run, request).map_err(worded)?;
    let control = run.sockets().join("control");
    let listener = UnixListener::bind(&control)
        .with_context(|| format!("cannot listen on {}", control.display()))?;
    let state = state(&run, request, &up, control);
    place.write(&state)?;
    tell(&Event::Ready {
        state,
        trouble: up.trouble,
    });
    let (stop, stopped) = mpsc::channel();
    serve(listener, &up.machine, stop);
    // Until then the starter may still give up.
    while !wanted.load(Ordering::SeqCst) && stays.recv_timeout(LOOK).is_err() {}
    wait_for_end(&up.machine, &stopped);
    place.clear();
    Ok(())
}

/// A machine that is on, and what of it does not work.
struct Up {
    machine: Machine,
    generation: Option<String>,
    user: String,
    trouble: Option<String>,
}

fn bring_up(harness: &Harness, run: &Run, request: &Request) -> harness::Result<Up> {
    let name = &request.name;
    let forwards: Vec<Forward> = request
        .forwards
        .iter()
        .map(|&Port { host, guest }| Forward { host, guest })
        .collect();
    let kept = || {
        harness
            .kept_machine(&name.group, &name.machine)
            .ok_or_else(|| {
                harness::Error::new(
                    harness::ErrorKind::State,
                    format!("there is no kept machine {name} any more"),
                )
            })
    };
    let (machine, notes) = match &request.source {
        Origin::New(new) => {
            let machine = install(harness, run, &name.machine, new, forwards)?;
            machine.settle(&name.group, &new.notes)?;
            (machine, new.notes.clone())
        }
        Origin::Itself => {
            let kept = kept()?;
            doing(&name.machine, "booting");
            let _slot = harness.boot_slot()?;
            let machine = run.reopen(&kept, forwards)?;
            let trouble = machine.wait_up().err();
            return Ok(came_up(run, machine, &kept.notes, trouble));
        }
        Origin::Copy => {
            let kept = kept()?;
            doing(&name.to_string(), "coming back");
            let machine = match kept.how {
                harness::KeptAs::Frozen => run.resume(&kept, forwards)?,
                harness::KeptAs::Off => {
                    let _slot = harness.boot_slot()?;
                    let machine = run.resume(&kept, forwards)?;
                    // Whatever became of it, it is there to be looked at.
                    let trouble = machine.wait_up().err();
                    return Ok(came_up(run, machine, &kept.notes, trouble));
                }
            };
            let trouble = machine.wait_for(&Wait::Agent, AGENT_OF_COPY).err();
            return Ok(came_up(run, machine, &kept.notes, trouble));
        }
    };
    Ok(came_up(run, machine, &notes, None))
}

fn install(
    harness: &Harness,
    run: &Run,
    name: &str,
    new: &New,
    forwards: Vec<Forward>,
) -> harness::Result<Machine> {
    let image = harness.image(&new.programs.recipe()?)?;
    let address = format!("{}/24", new.address);
    let lan = run.lan("lan", &[(name, &address)])?;
    let nix = Nix {
        bin: new.nix_bin.clone(),
        conf_dir: new.nix_conf.clone(),
    };
    let installation = Installation {
        nix: &nix,
        toplevel: &new.toplevel,
        in_store: &[],
        key_file: INSTALLED_KEY,
    };
    doing(name, "starting");
    let spec = Spec {
        forwards,
        lan: Some(lan),
        ready: Ready::Agent,
        ..Spec::new(name)
    };
    let prepare = |machine: &Machine| {
        doing(name, "installing");
        installation.install(machine)
    };
    let origin = Start::Snapshot {
        key: &installation.key(),
        prepare: &prepare,
    };
    run.start(&image, spec, origin)
}

/// Lets this user in, and finds out whether that worked.
fn came_up(
    run: &Run,
    machine: Machine,
    notes: &std::collections::BTreeMap<String, String>,
    trouble: Option<harness::Error>,
) -> Up {
    let generation = notes.get("generation").cloned();
    let mut up = Up {
        machine,
        generation,
        user: "root".to_owned(),
        trouble: trouble.map(|error| error.to_string()),
    };
    if up.trouble.is_some() {
        return up;
    }
    match let_in(run, &up.machine) {
        Ok(user) => up.user = user,
        Err(error) => up.trouble = Some(error.to_string()),
    }
    if let Some(why) = shut_out(&up.machine, &up.user) {
        up.trouble = Some(why);
    }
    up
}

/// Why nobody comes in by ssh; none if one does.
fn shut_out(machine: &Machine, user: &str) -> Option<String> {
    if machine.wait_for(&Wait::Banner, SSHD).is_err() {
        return Some("sshd does not answer".to_owned());
    }
    match machine.ssh(user, "true", SSHD) {
        Ok(output) if output.success() => None,
        Ok(output) => Some(format!("ssh lets nobody in: {}", output.last_lines(1))),
        Err(error) => Some(error.to_string()),
    }
}

fn let_in(run: &Run, machine: &Machine) -> harness::Result<String> {
    let key = format!("{}\n", run.public_key());
    for user in [USER, "deploy"] {
        machine.write_file(&format!("{KEYS}/{user}"), 0o644, key.as_bytes())?;
    }
    machine.write_file("/etc/harness/authorized_keys", 0o644, key.as_bytes())?;
    let there = machine.exec(Exec::new(["id", "-u", USER]))?;
    Ok(if there.success() { USER } else { "root" }.to_owned())
}

fn state(run: &Run, request: &Request, up: &Up, control: PathBuf) -> State {
    let guests = request.forwards.iter().map(|port| port.guest);
    let ports = std::iter::once(22)
        .chain(guests)
        .filter_map(|guest| {
            let host = up.machine.port(guest)?;
            Some(Port { host, guest })
        })
        .collect();
    State {
        name: request.name.clone(),
        pid: std::process::id().cast_signed(),
        since: SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |time| time.as_secs()),
        generation: up.generation.clone(),
        copy: request.source == Origin::Copy,
        ports,
        control,
        ssh_config: run.ssh_config(),
        user: up.user.clone(),
        logs: run.logs().to_owned(),
        percent: percent(&up.machine),
    }
}

/// Host seconds for what takes the guest a hundred.
fn percent(machine: &Machine) -> u32 {
    let seconds = machine.host_time(Duration::from_secs(100)).as_secs();
    // A host that is forty million times too slow has other troubles.
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

/// Somebody asked for the end, and waits for word of it.
type Stop = (bool, Sender<Answer>);

fn serve(listener: UnixListener, machine: &Machine, stop: Sender<Stop>) {
    let machine = machine.clone();
    let attached = Arc::new(AtomicBool::new(false));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (machine, stop) = (machine.clone(), stop.clone());
            let attached = Arc::clone(&attached);
            std::thread::spawn(move || answer(Line::over(stream), &machine, &stop, &attached));
        }
    });
}

/// One connection, to its end.
fn answer(mut line: Line, machine: &Machine, stop: &Sender<Stop>, attached: &AtomicBool) {
    let mut console = false;
    while let Ok(Some(ask)) = line.hear::<Ask>() {
        let answer = match ask {
            Ask::Status => Answer::Status {
                memory: machine.resident_bytes(),
                running: machine.is_running(),
            },
            Ask::Console { .. } if !console && attached.swap(true, Ordering::SeqCst) => {
                refused("somebody else is at its console")
            }
            Ask::Console {
                terminal,
                rows,
                columns,
            } => {
                console = true;
                let terminal = Terminal {
                    name: terminal,
                    rows,
                    columns,
                };
                Answer::Console {
                    socket: machine.console_socket(),
                    log: machine.console(),
                    bare: machine
                        .console_shell(&terminal)
                        .err()
                        .map(|e| e.to_string()),
                }
            }
            Ask::Run(argv) => match machine.exec(Exec::new(argv)) {
                Ok(output) => Answer::Ran {
                    code: output.code,
                    stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                    stderr: output.stderr,
                },
                Err(error) => Answer::Refused(refusal(&worded(error).into())),
            },
            Ask::Stop { hard } => {
                let (done, end) = mpsc::channel();
                let asked = stop.send((hard, done)).is_ok();
                match end.recv() {
                    Ok(answer) if asked => answer,
                    _ => Answer::Stopped { forced: None },
                }
            }
        };
        if line.say(&answer).is_err() {
            break;
        }
    }
    if console {
        attached.store(false, Ordering::SeqCst);
    }
}

/// Until somebody asks for the end, or it is off by itself.
fn wait_for_end(machine: &Machine, stopped: &Receiver<Stop>) {
    loop {
        match stopped.recv_timeout(LOOK) {
            Ok((hard, done)) => {
                let forced = match hard {
                    true => machine.power_cut().err(),
                    // A power-off that fails ends in a power cut.
                    false => machine.power_off().err(),
                };
                // Who asked may be gone; the machine is off all the same.
                let _ = done.send(Answer::Stopped {
                    forced: forced.map(|error| error.to_string()),
                });
                // Its thread still has to say so.
                std::thread::sleep(Duration::from_millis(200));
                return;
            }
            Err(RecvTimeoutError::Timeout) if machine.is_on() => (),
            Err(_) => return,
        }
    }
}

fn refused(message: &str) -> Answer {
    Answer::Refused(Refusal {
        message: message.to_owned(),
        next_step: None,
        missing: false,
    })
}

fn refusal(error: &anyhow::Error) -> Refusal {
    Refusal {
        message: format!("{error:#}"),
        next_step: failure::find(error)
            .and_then(failure::Failure::next_step)
            .map(str::to_owned),
        missing: failure::exit_of(error) == Exit::Missing,
    }
}

fn doing(object: &str, step: &str) {
    tell(&Event::Doing(format!("{object}: {step}")));
}

/// To the starter, while there is one.
fn tell(event: &Event) {
    let Ok(text) = serde_json::to_string(event) else {
        return;
    };
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}
