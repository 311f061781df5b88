//! A release: which closure each host is to have, as the signer signed it. What signs it is not here; how a host checks
//! the signature is in `signature`.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::refusal::{Code, Refusal};
use crate::store_path::StorePath;
use crate::time::Time;

/// What `ssh-keygen -Y sign -n` is called with, so that a signature made for something else is none of a release.
pub const NAMESPACE: &str = "slipway-release@v1";
pub const VERSION: u32 = 1;
/// Bytes of the document on the wire. A hundred hosts need some 50 KB.
pub const WIRE_LIMIT: usize = 1024 * 1024;
/// How far the signer's clock may be ahead of the host's.
const CLOCK_SLACK: Duration = Duration::from_secs(300);
const HOST_NAME_LIMIT: usize = 63;
const LEASE_LIMIT: u64 = 30 * 24 * 3600;

/// What is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Always `slipway-release`.
    pub document: Document,
    pub version: u32,
    /// The commit that the closures were built from, in hexadecimal.
    pub commit: String,
    /// Grows with every release of a signer: a host takes none that is older than the newest that it knows.
    pub counter: u64,
    pub made: Time,
    pub expires: Time,
    /// By the host's exact name.
    #[serde(deserialize_with = "each_host_once")]
    pub hosts: BTreeMap<String, HostRelease>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Document {
    #[serde(rename = "slipway-release")]
    Release,
}

/// What one host is to have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostRelease {
    /// What runs.
    pub toplevel: StorePath,
    /// What deploy-rs copies: the toplevel with deploy-rs's own programs beside it.
    pub profile: StorePath,
    pub action: Action,
    /// The configuration has no guard, and that is meant.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removes_guard: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Action {
    pub kind: ActionKind,
    /// For a test: how long it lasts, if not as long as the host itself says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_seconds: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActionKind {
    /// Activated now, and the boot default once it is confirmed.
    Switch,
    /// The next boot only, and the boot default once that came up healthy.
    Boot,
    /// Activated now, until the lease ends or the host reboots.
    Test,
}

impl ActionKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Boot => "boot",
            Self::Test => "test",
        }
    }
}

/// A release as it travels and as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignedRelease {
    /// The exact text that was signed.
    pub release: String,
    /// `-----BEGIN SSH SIGNATURE-----` and so on.
    pub signature: String,
}

impl SignedRelease {
    /// Reads the wire document; says nothing of the signature.
    ///
    /// # Errors
    /// `too-long`, `bad-document`.
    pub fn from_wire(bytes: &[u8]) -> Result<Self, Refusal> {
        if bytes.len() > WIRE_LIMIT {
            return Err(Refusal::because(Code::TooLong, "a release document"));
        }
        serde_json::from_slice(bytes).map_err(|error| Refusal::because(Code::BadDocument, error))
    }

    /// One line of JSON.
    ///
    /// # Errors
    /// None that is known: both parts are text.
    pub fn to_wire(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl Release {
    /// Reads what was signed. Call it only with a text whose signature holds.
    ///
    /// # Errors
    /// `bad-document`, `unknown-version`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        /// The version decides how the rest is read, and is there in each of them.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let bad = |error: serde_json::Error| Refusal::because(Code::BadDocument, error);
        let Versioned { version } = serde_json::from_str(text).map_err(bad)?;
        if version != VERSION {
            return Err(Refusal::because(Code::UnknownVersion, version));
        }
        let release: Self = serde_json::from_str(text).map_err(bad)?;
        release
            .sane()
            .map_err(|why| Refusal::because(Code::BadDocument, why))?;
        Ok(release)
    }

    /// The text to sign.
    ///
    /// # Errors
    /// None that is known: all of it is text and numbers.
    pub fn to_text(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    fn sane(&self) -> Result<(), String> {
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !matches!(self.commit.len(), 40 | 64) || !self.commit.bytes().all(hexadecimal) {
            return Err("the commit is not a commit id".to_owned());
        }
        if self.expires <= self.made {
            return Err("it expires before it was made".to_owned());
        }
        for (name, host) in &self.hosts {
            if !is_host_name(name) {
                return Err("a host's name is none".to_owned());
            }
            match (host.action.kind, host.action.lease_seconds) {
                (ActionKind::Test, Some(0)) => return Err(format!("{name}: a lease of no time")),
                (ActionKind::Test, Some(lease)) if lease > LEASE_LIMIT => {
                    return Err(format!("{name}: a lease of more than 30 days"))
                }
                (ActionKind::Test, _) | (_, None) => (),
                (_, Some(_)) => return Err(format!("{name}: a lease without a test")),
            }
        }
        Ok(())
    }

    /// Whether its time has come and is not over.
    ///
    /// # Errors
    /// `expired`, `not-yet-valid`.
    pub fn in_time(&self, now: Time) -> Result<(), Refusal> {
        if now >= self.expires {
            return Err(Refusal::because(Code::Expired, self.expires));
        }
        if self.made > now.plus(CLOCK_SLACK) {
            return Err(Refusal::because(
                Code::NotYetValid,
                format_args!("{}, and here it is {now}", self.made),
            ));
        }
        Ok(())
    }

    /// What it names for a host.
    ///
    /// # Errors
    /// `other-host`.
    pub fn for_host(&self, host: &str) -> Result<&HostRelease, Refusal> {
        self.hosts
            .get(host)
            .ok_or_else(|| Refusal::because(Code::OtherHost, host))
    }
}

/// JSON lets a name stand twice, and then one reader believes the first and another the last.
fn each_host_once<'de, D: Deserializer<'de>>(
    document: D,
) -> Result<BTreeMap<String, HostRelease>, D::Error> {
    struct Hosts;
    impl<'de> Visitor<'de> for Hosts {
        type Value = BTreeMap<String, HostRelease>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("hosts by their names")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut hosts = BTreeMap::new();
            while let Some((name, host)) = map.next_entry()? {
                if hosts.insert(name, host).is_some() {
                    return Err(A::Error::custom("a host is named twice"));
                }
            }
            Ok(hosts)
        }
    }
    document.deserialize_map(Hosts)
}

/// Whether a text can be a host's name: letters, digits and dashes.
pub fn is_host_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    !text.is_empty()
        && text.len() <= HOST_NAME_LIMIT
        && !text.starts_with('-')
        && text.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
