//! A QEMU that runs: its guarded process, its monitor, and what its death or silence means.
//! Knows command lines and events, not what the guest is for.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::json;

use super::args::{self, Launch};
use super::qmp::Qmp;
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::mutex::lock;
use crate::process::{last_lines, Command, Guarded};

/// Until the monitor answers; host time.
const UP: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Vm {
    name: String,
    process: Mutex<Guarded>,
    pub qmp: Qmp,
    /// Of QEMU itself.
    pub pid: u32,
    log: PathBuf,
    console: PathBuf,
}

impl Vm {
    /// Starts QEMU; its own words are added to `log`.
    pub fn launch(launch: &Launch, log: &Path) -> Result<Self> {
        for socket in [args::QMP, args::AGENT, args::CONSOLE] {
            // One of an earlier start; QEMU would not replace it.
            let _ = std::fs::remove_file(launch.sockets.join(socket));
        }
        let _ = std::fs::remove_file(&launch.pid_file);
        let file = append(log)?;
        let said_before = file.metadata().map_or(0, |data| data.len());
        let mut process = Command::new(&launch.tools.qemu)
            .args(args::arguments(launch))
            .start(&file)?;
        let socket = launch.sockets.join(args::QMP);
        let deadline = Instant::now() + UP;
        let qmp = loop {
            if let Some(code) = process.ended() {
                return Err(start_failure(launch.name, code, &tail(log, said_before)));
            }
            match Qmp::connect(&socket) {
                Ok(qmp) => break qmp,
                Err(error) if Instant::now() > deadline => {
                    return Err(error.context(format!(
                        "QEMU of {} did not open its monitor within {} s",
                        launch.name,
                        UP.as_secs()
                    )))
                }
                Err(_) => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        let pid = cache::read_text(&launch.pid_file)?;
        let pid = pid.trim().parse().map_err(|_| {
            Error::new(
                ErrorKind::MachineDied,
                format!("QEMU wrote `{pid}` as its process id"),
            )
        })?;
        Ok(Self {
            name: launch.name.to_owned(),
            process: Mutex::new(process),
            qmp,
            pid,
            log: log.to_owned(),
            console: launch.console.clone(),
        })
    }

    /// SIGKILL: what a power cut is to a disk.
    pub fn kill(&self) {
        lock(&self.process).end();
    }

    /// The exit code, if QEMU has ended.
    pub fn ended(&self) -> Option<i32> {
        lock(&self.process).ended()
    }

    /// Waits for QEMU's end, `within` in host time.
    pub fn wait_end(&self, within: Duration) -> Option<i32> {
        let deadline = Instant::now() + within;
        loop {
            let ended = self.ended();
            if ended.is_some() || Instant::now() >= deadline {
                return ended;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Why something failed with `error`. A channel closes a moment before its QEMU is known to have ended.
    pub fn why(&self, error: Error) -> Error {
        if error.kind() == ErrorKind::MachineDied {
            self.wait_end(Duration::from_millis(200));
        }
        self.trouble().unwrap_or(error)
    }

    /// Why this machine cannot go on, if it cannot: QEMU ended, the guest panicked, the host's disk is full.
    pub fn trouble(&self) -> Option<Error> {
        if let Some(code) = self.ended() {
            let shut_down = self.qmp.events().iter().any(|e| e.name == "SHUTDOWN");
            if code == 0 && shut_down {
                return Some(
                    Error::new(ErrorKind::State, format!("{} is off", self.name))
                        .try_next("power it on"),
                );
            }
            let said = last_lines(&std::fs::read_to_string(&self.log).unwrap_or_default(), 5);
            return Some(
                Error::new(
                    ErrorKind::MachineDied,
                    format!("QEMU of {} ended with {code}: {said}", self.name),
                )
                .try_next(format!("read {}", self.log.display())),
            );
        }
        for event in self.qmp.events() {
            match event.name.as_str() {
                "GUEST_PANICKED" => {
                    return Some(
                        Error::new(
                            ErrorKind::Panicked,
                            format!(
                                "the kernel of {} panicked: {}",
                                self.name,
                                panic_in(&self.console_tail(200))
                            ),
                        )
                        .try_next(format!("read {}", self.console.display())),
                    )
                }
                "BLOCK_IO_ERROR" => {
                    return Some(
                        Error::new(
                            ErrorKind::NoSpace,
                            format!("the disk of {} cannot be written on the host", self.name),
                        )
                        .try_next("free some space on the file system of the cache"),
                    )
                }
                _ => (),
            }
        }
        None
    }

    /// The last lines of the serial console.
    pub fn console_tail(&self, count: usize) -> String {
        console_tail(&self.console, count)
    }

    pub fn is_running(&self) -> Result<bool> {
        let status = self.qmp.ask("query-status", json!({}))?;
        Ok(status["running"].as_bool() == Some(true))
    }
}

/// The last lines of a console's log, without escape sequences.
pub(crate) fn console_tail(console: &Path, count: usize) -> String {
    let bytes = std::fs::read(console).unwrap_or_default();
    last_lines(&printable(&String::from_utf8_lossy(&bytes)), count)
}

fn append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(|e| Error::io("open", path, e))
}

/// What was added to a log since it had `from` bytes.
fn tail(log: &Path, from: u64) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let from = usize::try_from(from).unwrap_or(0).min(bytes.len());
    String::from_utf8_lossy(&bytes[from..]).into_owned()
}

/// The kernel's own words about its panic; the end of the console if there are none.
fn panic_in(console: &str) -> String {
    let said = console
        .lines()
        .rev()
        .find_map(|line| line.split("Kernel panic - ").nth(1));
    said.map_or_else(|| last_lines(console, 8), str::to_owned)
}

/// Without the escape sequences that firmware and loader draw with.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '\u{1b}' {
            out.push(c);
            continue;
        }
        if chars.next_if_eq(&'[').is_some() {
            while chars.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
        }
    }
    out
}

fn start_failure(name: &str, code: i32, said: &str) -> Error {
    let cause = last_lines(said, 3);
    if let Some(rule) = said.split("Could not set up host forwarding rule '").nth(1) {
        let rule = rule.split('\'').next().unwrap_or_default();
        let port = rule
            .split(['-', ':'])
            .find(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_digit()))
            .unwrap_or(rule);
        return Error::new(
            ErrorKind::PortTaken,
            format!("cannot start {name}: port {port} of 127.0.0.1 is taken"),
        )
        .try_next(format!(
            "another port, or end what listens there (ss -ltnp 'sport = :{port}')"
        ));
    }
    if said.contains("No space left on device") {
        return Error::new(ErrorKind::NoSpace, format!("cannot start {name}: {cause}"))
            .try_next("free some space on the file system of the cache");
    }
    if matches!(code, 126 | 127) {
        return Error::new(
            ErrorKind::ToolMissing,
            format!("cannot start {name}: {cause}"),
        )
        .try_next("install Debian's package qemu-system-x86");
    }
    Error::new(
        ErrorKind::MachineDied,
        format!("cannot start {name}: QEMU exited {code}: {cause}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_named() {
        let said = "qemu-system-x86_64: -netdev user,id=user: Could not set up host forwarding rule 'tcp:127.0.0.1:8080-:80'\n";
        let error = start_failure("web", 1, said);
        assert_eq!(error.kind(), ErrorKind::PortTaken);
        assert_eq!(
            error.to_string(),
            "cannot start web: port 8080 of 127.0.0.1 is taken"
        );
    }

    #[test]
    fn other_deaths_keep_qemus_words() {
        let error = start_failure("web", 1, "qemu: -cpu EPIC: unknown CPU model\n");
        assert_eq!(error.kind(), ErrorKind::MachineDied);
        assert!(error.to_string().contains("unknown CPU model"));
        assert_eq!(start_failure("web", 127, "").kind(), ErrorKind::ToolMissing);
    }

    #[test]
    fn a_panic_is_told_in_the_kernels_words() {
        let console = "[ 1.0] boot\n[ 2.0] Kernel panic - not syncing: sysrq triggered crash\n[ 2.1] CPU: 0\n";
        assert_eq!(panic_in(console), "not syncing: sysrq triggered crash");
        assert_eq!(panic_in("nothing"), "nothing");
    }

    #[test]
    fn escape_sequences_do_not_reach_a_reader() {
        assert_eq!(printable("\u{1b}[2J\u{1b}[01;01HBdsDxe: x"), "BdsDxe: x");
    }
}
