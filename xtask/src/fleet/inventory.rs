//! The inventory: what the flake output `fleet` says of every host (nix/fleet.nix is its other half).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::host::HostName;
use super::stage::Stage;
use super::window::Window;

/// The flake output `fleet`. A flake without one gets the same document from what `nixosConfigurations` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    pub version: u32,
    pub stage: Stage,
    /// The folder of the hosts, relative to the flake; none in a fleet that `mkFleet` did not make.
    pub hosts_dir: Option<String>,
    /// A host's evaluation reads its own folder, the shared files and this inventory, nothing else.
    pub hermetic: bool,
    pub hosts: BTreeMap<HostName, Host>,
}

/// What the fleet knows of a host, from `homelab.*` in its own configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    pub name: HostName,
    #[serde(default)]
    pub description: String,
    pub system: String,
    #[serde(default)]
    pub deployable: bool,
    #[serde(default)]
    pub target_host: Option<String>,
    #[serde(default)]
    pub wave: u32,
    #[serde(default)]
    pub builder: bool,
    /// How it is asked for releases; none if it makes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub releases: Option<Releases>,
    /// Keys that may deploy it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub deploy_keys: BTreeMap<String, String>,
    /// How the binary cache that it serves is filled; none if it serves none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary_cache: Option<BinaryCache>,
    #[serde(default)]
    pub runner_label: String,
    /// Public keys of its sshd, as in `/etc/ssh/ssh_host_ed25519_key.pub`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_keys: Vec<String>,
    /// Who is told what became of it, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notify: BTreeMap<String, Notify>,
    /// Whether a guard stands between the deploy user and root.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub guard: bool,
    /// Whether it looks for newer releases itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub upgrade: bool,
    /// What may reboot it, and when.
    #[serde(default)]
    pub reboot: Reboot,
    #[serde(default)]
    pub health_checks: BTreeMap<String, HealthCheck>,
    /// The fleet's cache as it knows it; none if it does not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheClient>,
    /// What it decrypts, and who else can; none if it has no secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secrets: Option<Secrets>,
    #[serde(default)]
    pub node: Option<Node>,
    /// Of a machine that stands in for it.
    #[serde(skip)]
    pub slowness: Slowness,
}

impl Host {
    /// How long deploy-rs lets it activate; its own default without a node.
    pub fn activation_timeout(&self) -> Duration {
        let node = self.node.as_ref();
        Duration::from_secs(node.map_or(240, |node| node.activation_timeout).into())
    }

    /// How long an activation waits to be confirmed; deploy-rs's own default without a node.
    pub fn confirm_timeout(&self) -> Duration {
        let node = self.node.as_ref();
        Duration::from_secs(node.map_or(30, |node| node.confirm_timeout).into())
    }
}

/// How many times as long as usual a host is waited for: a machine in its place shares this machine's CPUs with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slowness(u32);

/// A host's own.
impl Default for Slowness {
    fn default() -> Self {
        Self(1)
    }
}

impl Slowness {
    /// Of something that takes so many times as long; nothing that is faster is waited for less.
    pub fn of(times: f64) -> Self {
        // Beyond this it is a hang, and no slowness.
        let whole = times.ceil().clamp(1.0, 30.0);
        // In this range the cast is exact.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Self(whole as u32)
    }

    pub fn over(self, usual: Duration) -> Duration {
        usual * self.0
    }

    pub fn over_seconds(self, usual: u32) -> u32 {
        usual.saturating_mul(self.0)
    }
}

/// The door of a host that makes releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Releases {
    /// The account that is asked.
    pub user: String,
    /// Keys that may ask, by name.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
    /// Where it is asked, if not where the host is.
    #[serde(skip)]
    pub door: Option<Door>,
}

/// A port of this machine, and the key that who listens there has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Door {
    pub port: u16,
    /// As in `ssh_host_ed25519_key.pub`.
    pub key: String,
}

impl Door {
    pub fn address(&self) -> &'static str {
        "127.0.0.1"
    }

    /// ssh's arguments for it, before a host's own: ssh takes what it reads first.
    pub fn ssh_options(&self, own: &[String]) -> Vec<String> {
        let port = ["-p".to_owned(), self.port.to_string()];
        port.into_iter().chain(own.iter().cloned()).collect()
    }
}

/// The store that a host serves as the fleet's binary cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BinaryCache {
    /// The account that takes in what is signed.
    pub user: String,
    /// The folder of the roots that keep it, a folder a host.
    pub roots: String,
}

/// What a host fetches paths from, and whose signatures it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CacheClient {
    /// The fleet's cache.
    pub url: String,
    /// The keys of the fleet's builder.
    pub public_keys: Vec<String>,
    /// All that it asks, the fleet's cache among them.
    pub substituters: Vec<String>,
    /// All that it trusts, the builder's among them.
    pub trusted_public_keys: Vec<String>,
}

/// What `homelab.secrets` and `sops.secrets` say. Files are relative to the flake; one that is not in it is absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Secrets {
    /// Its own file, which need not be there yet.
    pub file: Option<String>,
    /// Who can read all of them beside the host: ssh keys or age recipients, by name.
    pub operators: BTreeMap<String, String>,
    /// The secrets by name.
    pub uses: BTreeMap<String, Use>,
}

/// Where a secret comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Use {
    pub file: String,
    /// As sops-nix reads the file: `yaml`, `json`, `binary`, `dotenv` or `ini`.
    pub format: String,
    /// Where in the file it is, `a/b`; empty for the file as a whole.
    pub key: String,
}

/// What `homelab.reboot` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reboot {
    /// Whether it may reboot with nobody there.
    pub unattended: bool,
    /// None: at any time.
    pub window: Option<Window>,
}

/// A host whose fleet says nothing of it.
impl Default for Reboot {
    fn default() -> Self {
        Self {
            unattended: true,
            window: None,
        }
    }
}

/// One check of a deployed host; exactly one of `command` and `url` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    pub command: Option<String>,
    pub url: Option<String>,
    pub user: String,
    /// Seconds to wait before the first try.
    pub settle: u32,
    pub retries: u32,
    /// Seconds that one try may take.
    pub timeout: u32,
}

/// Where the outcome of a deployment is posted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notify {
    pub kind: NotifyKind,
    pub url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NotifyKind {
    /// The report as JSON.
    Webhook,
    /// A title and lines of text.
    Ntfy,
}

/// A deploy-rs node without the closures of its profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    pub hostname: String,
    /// None in another's fleet that leaves it to deploy-rs: the name of who deploys.
    pub ssh_user: Option<String>,
    pub user: String,
    pub ssh_opts: Vec<String>,
    pub magic_rollback: bool,
    pub auto_rollback: bool,
    /// Seconds.
    pub confirm_timeout: u32,
    /// Seconds.
    pub activation_timeout: u32,
    pub fast_connection: bool,
}
