//! The builder's door on this machine: a real sshd, the guard's own door behind it, and behind that the xtask that makes
//! releases, with keys and rules of this run. The machine that stands in for the builder's host has none of it.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinHandle;

use super::keys::Keys;
use super::push::Push;
use crate::evaluate::machines::VARIABLE;
use crate::failure::Failure;
use crate::fleet::inventory::Door;
use crate::process::{own, quote, Output};
use crate::tools::git::Git;
use crate::tools::nix::Nix;
use crate::tools::{ssh_keygen, sshd};

/// Until sshd listens.
const PATIENCE: Duration = Duration::from_secs(30);

/// What it is made of.
pub struct Plan<'a> {
    /// A folder of its own.
    pub folder: &'a Path,
    /// Whose door it is, in the words of the guard: the program that a forced command starts.
    pub guard: &'a Path,
    pub repository: &'a Path,
    pub push: &'a Push,
    pub keys: &'a Keys,
    pub nix: &'a Nix,
    /// The folder that says where hosts are.
    pub machines: &'a Path,
    /// xtask's, for who makes releases.
    pub cache: &'a Path,
}

/// It is open as long as this is held.
#[derive(Debug)]
pub struct Builder {
    pub door: Door,
    /// Who is asked: whoever runs sshd.
    pub user: String,
    sshd: JoinHandle<Result<Output>>,
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.sshd.abort();
    }
}

impl Plan<'_> {
    /// Opens the door.
    ///
    /// # Errors
    /// Missing, if there is no sshd; else if something cannot be written or started.
    pub async fn open(&self, person: &Git) -> Result<Builder> {
        let program = sshd::program()?;
        let user = user()?;
        let place = |name: &str| self.folder.join(name);
        for folder in ["run/sshd", "home", "state"] {
            let folder = place(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let key = ssh_keygen::generate(&place("host-key")).await?;
        let write = |name: &str, mode: u32, text: &str| -> Result<PathBuf> {
            let file = place(name);
            std::fs::write(&file, text)
                .and_then(|()| {
                    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode))
                })
                .with_context(|| format!("cannot write {}", file.display()))?;
            Ok(file)
        };
        let config = write("signer.toml", 0o600, &self.rules(person).await?)?;
        let makes_releases = write("makes-releases", 0o700, &self.program(&config))?;
        let answers = serde_json::json!({
            "program": makes_releases,
            "args": [],
            "path": self.path()?,
            "home": place("home"),
        });
        let answers = write("builder.json", 0o600, &answers.to_string())?;
        // As modules/deploy/builder.nix has it.
        let entry = format!(
            "command=\"{} release --as ci --builder {}\",restrict {}\n",
            self.guard.display(),
            answers.display(),
            self.keys.deploy_public
        );
        let authorized = write("authorized_keys", 0o600, &entry)?;
        let port = free_port()?;
        let settings = sshd::Settings {
            port,
            host_key: &place("host-key"),
            authorized_keys: &authorized,
        };
        let config = write("sshd_config", 0o600, &settings.text())?;
        let command = sshd::command(&program, &config, &place("run"));
        let log = place("sshd.log");
        let mut sshd = tokio::spawn(async move {
            let output = command.capture().await?;
            // It ends when it is told to, or because it could not begin.
            std::fs::write(&log, &output.stderr)?;
            Ok::<_, anyhow::Error>(output)
        });
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if sshd.is_finished() {
                let output = (&mut sshd).await.context("sshd's task ended")??;
                return Err(Failure::failed(format!(
                    "the builder's door does not open: sshd {}: {}",
                    output.status,
                    output.last_lines(3)
                ))
                .into());
            }
            if started.elapsed() > PATIENCE {
                anyhow::bail!("the builder's door does not open: nobody listens on port {port}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(Builder {
            door: Door { port, key },
            user,
            sshd,
        })
    }

    /// The signer's configuration: a person's own rules, as far as git knows them.
    async fn rules(&self, person: &Git) -> Result<String> {
        let mut signers = person.commit_signers().await?;
        if signers.is_empty() {
            // Nobody can sign with it, and a signer without signers is none.
            let nobody = ssh_keygen::generate(&self.folder.join("nobody")).await?;
            signers.push(("nobody".to_owned(), nobody));
        }
        // JSON's texts are TOML's.
        let word = |text: &str| serde_json::Value::from(text).to_string();
        let text = |path: &Path| word(&path.to_string_lossy());
        let mut rules = format!(
            "repository = {}\nstate = {}\nrelease-key = {}\nnix-key = {}\nvalid-for = \"1d\"\ntrusted = \"{}\"\n",
            text(self.repository),
            text(&self.folder.join("state")),
            text(&self.keys.release),
            text(&self.keys.nix),
            self.push.trusted,
        );
        for (name, key) in signers {
            let (name, key) = (word(&name), word(&key));
            rules.push_str(&format!("[[signers]]\nname = {name}\nkey = {key}\n"));
        }
        Ok(rules)
    }

    /// What the door starts has nothing of our environment.
    fn program(&self, config: &Path) -> String {
        let word = |path: &Path| quote(&path.to_string_lossy());
        let mut environment = vec![
            format!("SLIPWAY_CACHE={}", word(self.cache)),
            format!("SLIPWAY_STATE={}", word(&self.folder.join("state"))),
            format!("{VARIABLE}={}", word(self.machines)),
        ];
        if let Some(conf) = self.nix.conf_dir() {
            environment.push(format!("NIX_CONF_DIR={}", word(conf)));
        }
        format!(
            "#!/bin/sh\nexport {}\nexec {} --stage rehearsal --no-setup --plain release --config {} \"$@\"\n",
            environment.join(" "),
            word(&own::program()),
            word(config)
        )
    }

    fn path(&self) -> Result<String> {
        let nix = self.nix.program().parent().map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = nix.into_iter().chain(std::env::split_paths(&path));
        let joined = std::env::join_paths(all).context("PATH cannot be handed on")?;
        Ok(joined.to_string_lossy().into_owned())
    }
}

fn user() -> Result<String> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).context("cannot read users")?;
    Ok(user.context("this user has no name")?.name)
}

fn free_port() -> Result<u16> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port of 127.0.0.1 can be had")?;
    Ok(listener.local_addr()?.port())
}
