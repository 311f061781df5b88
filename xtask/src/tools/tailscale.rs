//! tailscale: a node of our own in the hosts' network, for a CI job whose runner is not in it. It is there as long as xtask
//! runs: what the daemon knows is on no disk, and when it ends, it logs the node out.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::sync::OnceCell;
use tokio::task::{JoinHandle, JoinSet};

use crate::cache_dir::CacheDir;
use crate::failure::Failure;
use crate::fleet::host::HostName;
use crate::job_secrets::{self, TAILNET_SECRET};
use crate::process::folders::Folder;
use crate::process::{quote, Command, Output};
use crate::report;

/// By this the tailnet's rules know the node, and its OAuth client may make nodes of nothing else.
const TAG: &str = "tag:ci";
/// How long the daemon may take until it listens.
const START: Duration = Duration::from_secs(20);
/// How long the tailnet may take to let the node in.
const JOIN: Duration = Duration::from_secs(60);
/// How long hosts may take until they answer there.
pub const REACH: Duration = Duration::from_secs(30);
const RULES: &str = "docs/forgejo.md#a-tailnet, for the OAuth client and the rules that it needs";

/// A node in the tailnet.
#[derive(Debug)]
pub struct Tailnet {
    client: PathBuf,
    socket: PathBuf,
    daemon: JoinHandle<Result<Output>>,
}

/// Where ssh of a host arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub host: HostName,
    pub address: String,
    pub port: u16,
}

/// tailscale's two programs.
struct Programs {
    daemon: PathBuf,
    client: PathBuf,
}

/// One node is enough for all that xtask does; its folder goes with xtask.
static JOINED: OnceCell<(Folder, Tailnet)> = OnceCell::const_new();

/// The tailnet that the job's secret opens, and whether it was joined just now; none without such a secret.
///
/// # Errors
/// Missing, if tailscale is; usage, if the secret is none; failed, if the tailnet does not take the node.
pub async fn joined() -> Result<Option<(&'static Tailnet, bool)>> {
    let Some(secret) = job_secrets::get(TAILNET_SECRET) else {
        return Ok(None);
    };
    let is_new = !JOINED.initialized();
    let join = || async {
        let programs = Programs::find()?;
        let folder = Folder::create(&CacheDir::find()?.tailnet())?;
        let tailnet = Tailnet::join(&programs, secret.trim(), folder.path()).await?;
        anyhow::Ok((folder, tailnet))
    };
    let (_, tailnet) = JOINED.get_or_try_init(join).await?;
    Ok(Some((tailnet, is_new)))
}

impl Programs {
    fn find() -> Result<Self, Failure> {
        let found = |name: &str| {
            which::which(name).map_err(|_| {
                Failure::missing(format!(
                    "cannot join the tailnet that {TAILNET_SECRET} is for: {name} is not on PATH"
                ))
                .try_next("tailscale on the runner; or without that secret, if the runner reaches the hosts")
            })
        };
        Ok(Self {
            daemon: found("tailscaled")?,
            client: found("tailscale")?,
        })
    }

    /// It needs neither root nor a network device: ssh goes through its socket.
    fn daemon(&self, folder: &Path, socket: &Path) -> Command {
        Command::new(&self.daemon)
            .arg("--tun=userspace-networking")
            // This also makes the node an ephemeral one, which the daemon logs out when it ends.
            .arg("--state=mem:")
            .arg(format!("--statedir={}", folder.display()))
            .arg(format!("--socket={}", socket.display()))
            .arg("--port=0")
            .grace(Duration::from_secs(10))
    }
}

impl Tailnet {
    /// `folder` is empty, and nobody else's.
    async fn join(programs: &Programs, secret: &str, folder: &Path) -> Result<Self> {
        if !secret.starts_with("tskey-client-") {
            let failure = Failure::usage(format!(
                "{TAILNET_SECRET} is no secret of an OAuth client: it does not begin with `tskey-client-`"
            ));
            return Err(failure.try_next(RULES).into());
        }
        report::say(&format!("joining the tailnet as a node of {TAG}"));
        let socket = folder.join("socket");
        let daemon = programs.daemon(folder, &socket);
        let mut tailnet = Self {
            client: programs.client.clone(),
            socket,
            daemon: tokio::spawn(daemon.capture()),
        };
        tailnet.listens().await?;
        // On the command line everybody could read it.
        let key = folder.join("key");
        write_key(&key, secret).with_context(|| format!("cannot write {}", key.display()))?;
        let output = tailnet.up(&key).capture().await;
        std::fs::remove_file(&key).with_context(|| format!("cannot remove {}", key.display()))?;
        let output = output?;
        if output.status.success() {
            return Ok(tailnet);
        }
        let said = output.last_lines(3).replace(secret, "***");
        let failure = Failure::failed(format!("cannot join the tailnet: {said}"));
        Err(failure.try_next(RULES).into())
    }

    async fn listens(&mut self) -> Result<()> {
        let started = Instant::now();
        while !self.socket.exists() {
            if self.daemon.is_finished() {
                let output = (&mut self.daemon).await??;
                let said = output.last_lines(3);
                return Err(
                    Failure::failed(format!("tailscaled {}: {said}", output.status)).into(),
                );
            }
            if started.elapsed() > START {
                let seconds = START.as_secs();
                return Err(Failure::failed(format!(
                    "tailscaled does not listen within {seconds} s"
                ))
                .into());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    fn client(&self) -> Command {
        Command::new(&self.client).arg(format!("--socket={}", self.socket.display()))
    }

    fn up(&self, key: &Path) -> Command {
        self.client()
            .arg("up")
            .arg(format!("--auth-key=file:{}", key.display()))
            .arg(format!("--advertise-tags={TAG}"))
            .arg("--hostname=slipway-ci")
            // Hosts may be behind a router of the tailnet.
            .arg("--accept-routes")
            .arg(format!("--timeout={}s", JOIN.as_secs()))
            .timeout(JOIN + Duration::from_secs(10))
    }

    /// Ends the moment that it is connected: it has nothing to say.
    fn connect(&self, place: &Place) -> Command {
        self.client()
            .arg("nc")
            .arg(&place.address)
            .arg(place.port.to_string())
            .timeout(Duration::from_secs(5))
    }

    /// What ssh has to read so that it goes through the tailnet.
    pub fn ssh_config(&self) -> String {
        let word = |path: &Path| quote(&path.to_string_lossy()).replace('%', "%%");
        let (client, socket) = (word(&self.client), word(&self.socket));
        format!("Host *\n  ProxyCommand {client} --socket={socket} nc %h %p\n")
    }

    /// Waits until hosts answer, all at once: a node that has joined does not reach them yet. One that is off is told, and
    /// whoever deploys will find it so.
    ///
    /// # Errors
    /// Failed, if none of them answers.
    pub async fn wait(&self, places: Vec<Place>, at_most: Duration) -> Result<()> {
        let started = Instant::now();
        let mut trying = JoinSet::new();
        for place in places {
            let connect = self.connect(&place);
            trying.spawn(async move {
                loop {
                    let output = connect.clone().capture().await?;
                    if output.status.success() {
                        return anyhow::Ok((place, None));
                    }
                    if started.elapsed() > at_most {
                        let why = match output.last_lines(1) {
                            said if said.is_empty() => output.status.to_string(),
                            said => said,
                        };
                        return Ok((place, Some(why)));
                    }
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            });
        }
        let (mut reached, mut silent) = (0, Vec::new());
        while let Some(tried) = trying.join_next().await {
            match tried?? {
                (_, None) => reached += 1,
                (place, Some(why)) => {
                    let Place {
                        host,
                        address,
                        port,
                    } = place;
                    silent.push(format!("{host} at {address} port {port}: {why}"));
                }
            }
        }
        silent.sort();
        if reached == 0 && !silent.is_empty() {
            let failure = Failure::failed(format!(
                "joined the tailnet, and no host answers there within {} s\n  {}",
                at_most.as_secs(),
                silent.join("\n  ")
            ));
            return Err(failure.try_next(RULES).into());
        }
        for silent in silent {
            report::say(&format!("tailnet: {silent}"));
        }
        Ok(())
    }
}

impl Drop for Tailnet {
    fn drop(&mut self) {
        // Its process group is asked to end with it.
        self.daemon.abort();
    }
}

/// `up` hands it to the tailnet's server for a key that is good once.
fn write_key(file: &Path, secret: &str) -> std::io::Result<()> {
    let secret = secret.split('?').next().unwrap_or(secret);
    job_secrets::write(
        file,
        &format!("{secret}?ephemeral=true&preauthorized=true\n"),
    )
}

#[cfg(test)]
mod tests;
