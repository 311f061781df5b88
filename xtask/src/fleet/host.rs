//! A host's name, and the choice of hosts by name.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::nearest::nearest;
use crate::failure::Failure;

/// The name of a host: its folder under `hosts/`, its attribute in `nixosConfigurations`, its row in every table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostName(String);

impl HostName {
    /// A name in a test's fleet; what reads a fleet gets its names by deserialising.
    #[cfg(test)]
    pub fn known(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// A name that a signer wrote into a release.
    pub fn from_release(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// A name that a person chose for a new host: what NixOS accepts as `networking.hostName`.
    ///
    /// # Errors
    /// Usage, if it is no RFC 1123 label.
    pub fn new(name: &str) -> Result<Self, Failure> {
        let label = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let good = name.len() <= 63
            && name.chars().all(label)
            && edge(name.chars().next())
            && edge(name.chars().last());
        if good {
            Ok(Self(name.to_owned()))
        } else {
            Err(Failure::usage(format!(
                "`{name}` is no host name: letters, digits and inner hyphens, at most 63"
            ))
            .try_next("a name such as Web or web-2"))
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as that of one visible file, whatever a foreign fleet calls its hosts; different names stay different.
    pub fn file_name(&self) -> String {
        let mut text = String::new();
        for (at, c) in self.0.char_indices() {
            if c == '/' || c == '%' || c.is_control() || (c == '.' && at == 0) {
                text.push_str(&format!("%{:02X}", u32::from(c)));
            } else {
                text.push(c);
            }
        }
        if text.is_empty() {
            "%".to_owned()
        } else {
            text
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<Path> for HostName {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// The hosts that `wanted` names, in the fleet's order; all of them if it names none.
///
/// # Errors
/// Usage, naming the nearest hosts, if one of them is not in the fleet.
pub fn select(all: &[HostName], wanted: &[String]) -> Result<Vec<HostName>, Failure> {
    for name in wanted {
        if !all.iter().any(|host| host.as_str() == name) {
            return Err(unknown(name, all));
        }
    }
    Ok(all
        .iter()
        .filter(|host| wanted.is_empty() || wanted.iter().any(|name| name == host.as_str()))
        .cloned()
        .collect())
}

fn unknown(name: &str, all: &[HostName]) -> Failure {
    let names: Vec<&str> = all.iter().map(HostName::as_str).collect();
    let near = nearest(name, &names);
    let failure = Failure::usage(format!("the fleet has no host `{name}`"));
    if near.is_empty() {
        failure.try_next(format!("one of {}", names.join(", ")))
    } else {
        failure.try_next(near.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet() -> Vec<HostName> {
        ["Ingress", "Niko", "Production"]
            .map(HostName::known)
            .into()
    }

    #[test]
    fn no_names_mean_all_hosts() {
        assert_eq!(select(&fleet(), &[]).unwrap(), fleet());
    }

    #[test]
    fn names_come_back_in_the_fleets_order() {
        let wanted = ["Production".to_owned(), "Ingress".to_owned()];
        let names: Vec<_> = select(&fleet(), &wanted).unwrap();
        assert_eq!(names, ["Ingress", "Production"].map(HostName::known));
    }

    #[test]
    fn an_unknown_host_names_the_nearest() {
        let failure = select(&fleet(), &["prodction".to_owned()]).unwrap_err();
        assert_eq!(failure.to_string(), "the fleet has no host `prodction`");
        assert_eq!(failure.next_step(), Some("Production"));
    }

    #[test]
    fn a_name_that_resembles_none_lists_all() {
        let failure = select(&fleet(), &["zzz".to_owned()]).unwrap_err();
        assert_eq!(
            failure.next_step(),
            Some("one of Ingress, Niko, Production")
        );
    }

    #[test]
    fn a_file_name_stays_in_its_folder() {
        let file = |name: &str| HostName::known(name).file_name();
        assert_eq!(file("Web-1.local"), "Web-1.local");
        assert_eq!(
            ["../esc", "..", ".", "", "%", "a/b\n"].map(file),
            ["%2E.%2Fesc", "%2E.", "%2E", "%", "%25", "a%2Fb%0A"]
        );
    }

    #[test]
    fn a_new_name_is_an_rfc_1123_label() {
        assert!(HostName::new("Web-1").is_ok());
        for bad in ["", "-web", "web-", "we b", "web.local", "../web"] {
            assert!(HostName::new(bad).is_err(), "{bad}");
        }
    }
}
