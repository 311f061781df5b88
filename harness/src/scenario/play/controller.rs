//! The controller: a folder on this host where commands run with a home, an environment, an ssh and a Nix store of their
//! own. All that it started, in the foreground or not, ends with it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{symlink, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ground::{Closures, Ground, Nix};
use super::store;
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::process::{Command, Guarded};
use crate::run::Run;
use crate::ssh;

/// Host time for what the controller itself does.
const HOST: Duration = Duration::from_secs(300);

/// What ssh exits with if it did not get in.
const SSH_FAILED: i32 = 255;

/// What tells its processes from all others.
const MARK: &str = "HARNESS_CONTROLLER";

/// Runs the script $1 with its output in $3 and $4 and the mark $5, and notes its exit code in $2; then it stays, so
/// that whatever the script left behind ends with it and not before. It has no mark itself: nobody is to kill it.
const STAY: &str = r#"HARNESS_CONTROLLER="$5" /bin/sh "$1" >"$3" 2>"$4"
echo $? >"$2.new"; mv "$2.new" "$2"; exec sleep infinity"#;

#[derive(Debug)]
pub(super) struct Desk {
    dir: PathBuf,
    logs: PathBuf,
    env: BTreeMap<String, String>,
    mark: String,
    /// Of the key that signs what is deployed.
    pub nix_public_key: String,
    /// Of the key of ssh that signs what else is to be signed.
    pub signer_public_key: String,
    started: Vec<Guarded>,
    count: usize,
}

/// A command of the controller.
#[derive(Debug, Clone)]
pub(super) struct Started {
    index: usize,
    out: PathBuf,
    err: PathBuf,
    code: PathBuf,
}

impl Desk {
    /// `closures` are those that the play means; `machines` are those that its ssh knows; `scale` are host seconds of a
    /// guest second.
    pub fn set_up(
        run: &Run,
        ground: &Ground,
        closures: &Closures,
        machines: &[String],
        scale: f64,
    ) -> Result<Self> {
        let inner = &*run.0;
        // Not below the cache, which may lie in somebody's git repository: Nix would take the flakes for parts of it.
        let dir = inner.sockets().join("controller");
        let store = inner.dir().join("controller-store");
        for folder in ["bin", "home", "tmp", "work"] {
            cache::create_dir(&dir.join(folder))?;
        }
        let config = dir.join("ssh_config");
        cache::write(
            &config,
            ssh_config(&run.ssh_config(), machines, scale).as_bytes(),
        )?;
        let ssh = on_path(&inner.harness.tools().ssh)?;
        let wrapper = format!(
            "#!/bin/sh\nexec '{}' -F '{}' \"$@\"\n",
            ssh.display(),
            config.display()
        );
        let program = dir.join("bin/ssh");
        cache::write(&program, wrapper.as_bytes())?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .map_err(|e| Error::io("make executable", &program, e))?;
        for (name, target) in &ground.controller.programs {
            let link = dir.join("bin").join(name);
            symlink(target, &link).map_err(|e| Error::io("make", &link, e))?;
        }
        for (file, text) in (ground.controller.files)(closures) {
            let path = dir.join("work").join(&file);
            if let Some(parent) = path.parent() {
                cache::create_dir(parent)?;
            }
            cache::write(&path, text.as_bytes())?;
        }
        let key = inner.dir().join("signing-key");
        // A play of helpers needs no Nix.
        let nix_public_key = match closures.is_empty() {
            true => String::new(),
            false => {
                ground.nix.fill(&store, closures)?;
                ground.nix.make_key(&key)?
            }
        };
        let signer = inner.dir().join("signer-key");
        let signer_public_key = ssh::generate(inner.harness.tools(), &signer)?;
        // Not its name: plays of one name run side by side, and long names are cut.
        let mark = inner.dir().display().to_string();
        let mut env = environment(&dir, &store, &ground.nix);
        env.extend(ground.controller.env.clone());
        let path: Vec<String> = [dir.join("bin"), ground.nix.bin.clone()]
            .iter()
            .chain(&ground.controller.path)
            .map(|folder| folder.display().to_string())
            .collect();
        env.insert("PATH".to_owned(), path.join(":"));
        env.insert(
            ground.controller.signing_key_variable.clone(),
            key.display().to_string(),
        );
        env.insert(
            ground.controller.signer_key_variable.clone(),
            signer.display().to_string(),
        );
        Ok(Self {
            dir,
            logs: inner.logs.clone(),
            env,
            mark,
            nix_public_key,
            signer_public_key,
            started: Vec::new(),
            count: 0,
        })
    }

    /// Starts a script for `sh`; its output is in the logs.
    pub fn start(&mut self, script: &str) -> Result<Started> {
        self.count += 1;
        let name = format!("controller-{:02}", self.count);
        // From a file: `pkill -f` shall find the programs and not the shell that was told to run them.
        let file = self.dir.join("tmp").join(&name);
        cache::write(&file, script.as_bytes())?;
        let code = file.with_extension("code");
        let (out, err) = (
            self.logs.join(format!("{name}.stdout")),
            self.logs.join(format!("{name}.stderr")),
        );
        let guarded = self
            .command("/bin/sh")
            .args(["-c", STAY, "controller"])
            .args([&file, &code, &out, &err])
            .arg(&self.mark)
            .start_quiet()?;
        self.started.push(guarded);
        Ok(Started {
            index: self.started.len() - 1,
            out,
            err,
            code,
        })
    }

    /// A short question, answered in `within` host time.
    pub fn ask(&self, script: &str, argument: &str, within: Duration) -> Result<crate::Output> {
        self.command("/bin/sh")
            .args(["-c", script, "ask", argument])
            .capture(within)
    }

    /// Whether `ssh USER@MACHINE true` gets in `within` host time, a quarter of it for the connection; a key that has one
    /// command only does not run this one.
    pub fn reaches(&self, user: &str, machine: &str, within: Duration) -> Result<bool> {
        let connect = format!("-oConnectTimeout={}", connect_seconds(within));
        let answer = self
            .command(self.dir.join("bin/ssh"))
            .args([&connect, &format!("{user}@{machine}"), "true"])
            .capture(within);
        match answer {
            Ok(output) => Ok(output.code != SSH_FAILED),
            Err(error) if error.kind() == ErrorKind::TimedOut => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Ends a command that takes too long, with all that it started.
    pub fn end(&mut self, started: &Started) {
        if let Some(guarded) = self.started.get_mut(started.index) {
            guarded.end();
        }
    }

    /// Its processes that `pgrep -f` finds for the pattern, those in the background and of ended commands included.
    pub fn processes(&self, pattern: &str) -> Result<Vec<i32>> {
        // Without the controller's environment, so that it does not find itself.
        let found = Command::new("pgrep")
            .args(["-f", "--", pattern])
            .capture(HOST)?;
        let marked = format!("{MARK}={}", self.mark);
        Ok(found
            .text()
            .lines()
            .filter_map(|line| line.parse().ok())
            .filter(|pid: &i32| {
                // What ended meanwhile, or is another user's, is none of ours.
                fs::read(format!("/proc/{pid}/environ")).is_ok_and(|bytes| {
                    bytes
                        .split(|byte| *byte == 0)
                        .any(|entry| entry == marked.as_bytes())
                })
            })
            .collect())
    }

    fn command(&self, program: impl AsRef<Path>) -> Command {
        self.env
            .iter()
            .fold(Command::new(program), |command, (name, value)| {
                command.env(name, value)
            })
            .clean_env()
            .in_dir(self.dir.join("work"))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What went into a session of its own does not end with its command's group.
        for pid in self.processes(".").unwrap_or_default() {
            crate::process::send(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

impl Started {
    /// Its exit code, once it has ended.
    pub fn ended(&self) -> Result<Option<i32>> {
        if !self.code.exists() {
            return Ok(None);
        }
        let text = cache::read_text(&self.code)?;
        text.trim()
            .parse()
            .map(Some)
            .map_err(|_| Error::new(ErrorKind::Io, format!("`{}` is no exit code", text.trim())))
    }

    pub fn stdout(&self) -> String {
        read_lossy(&self.out)
    }

    pub fn stderr(&self) -> String {
        read_lossy(&self.err)
    }
}

/// A program that is named and not placed, as our own PATH has it: the controller's PATH leads to the wrapper.
fn on_path(program: &Path) -> Result<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
        .ok_or_else(|| {
            Error::new(
                ErrorKind::ToolMissing,
                format!("there is no {} on PATH", program.display()),
            )
        })
}

/// A quarter, in whole seconds.
fn connect_seconds(within: Duration) -> f64 {
    (within.as_secs_f64() / 4.0).ceil()
}

fn read_lossy(path: &Path) -> String {
    // It was made when the command began; one that cannot be read is as good as empty, and the expectation says so.
    fs::read(path).map_or_else(
        |_| String::new(),
        |bytes| String::from_utf8_lossy(&bytes).into_owned(),
    )
}

/// Machines of the play go where the run's own file says; everything else goes nowhere.
fn ssh_config(of_run: &Path, machines: &[String], scale: f64) -> String {
    let others: String = machines.iter().map(|name| format!(" !{name}")).collect();
    format!(
        "{}\nInclude \"{}\"\nHost *{others}\n  \
         ProxyCommand /bin/sh -c 'echo \"there is no machine %n in this play\" >&2; exit 1'\n",
        ssh::connect_timeout(scale),
        of_run.display()
    )
}

fn environment(dir: &Path, store: &Path, nix: &Nix) -> BTreeMap<String, String> {
    let mut env: BTreeMap<String, String> = [
        ("HOME", dir.join("home").display().to_string()),
        ("TMPDIR", dir.join("tmp").display().to_string()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
        ("NIX_REMOTE", store::url(store)),
        (
            "NIX_CONFIG",
            "experimental-features = nix-command flakes\nsubstituters =\nflake-registry =\n\
             build-users-group =\nsandbox = false\n"
                .to_owned(),
        ),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    if let Some(conf) = &nix.conf_dir {
        env.insert("NIX_CONF_DIR".to_owned(), conf.display().to_string());
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_is_no_machine_of_the_play_is_reached_by_nobody() {
        let text = ssh_config(Path::new("/run/ssh_config"), &["Niko".to_owned()], 2.5);
        assert!(text.starts_with(
            "ConnectTimeout=38\nInclude \"/run/ssh_config\"\nHost * !Niko\n  ProxyCommand "
        ));
    }

    #[test]
    fn a_slow_machine_has_a_quarter_of_the_time_to_answer_at_all() {
        assert_eq!(connect_seconds(Duration::from_secs(20)), 5.0);
        assert_eq!(connect_seconds(Duration::from_secs(50)), 13.0);
    }

    #[test]
    fn the_environment_has_nothing_of_ours() {
        let nix = Nix {
            bin: "/nix/bin".into(),
            conf_dir: None,
        };
        let env = environment(Path::new("/c"), Path::new("/s"), &nix);
        assert_eq!(env["HOME"], "/c/home");
        assert_eq!(env["NIX_REMOTE"], "local?root=/s");
        assert!(!env.contains_key("SSH_AUTH_SOCK") && !env.contains_key("NIX_CONF_DIR"));
    }

    #[test]
    fn the_mark_is_given_to_what_runs_and_not_to_what_stays() {
        assert!(STAY.starts_with(&format!("{MARK}=\"$5\" /bin/sh \"$1\"")));
    }
}
