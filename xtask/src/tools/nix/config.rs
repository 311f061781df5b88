//! What this Nix can build: `nix config show --json`, whose form is the same in 2.26 and 2.34.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use serde::Deserialize;

#[derive(Deserialize)]
struct Setting<T> {
    value: T,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    system: Setting<String>,
    extra_platforms: Setting<Vec<String>>,
    system_features: Setting<Vec<String>>,
    builders: Setting<String>,
}

/// The content of a file, if it is there.
type ReadFile<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A machine that builds: this one, or one that it hands builds to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Builder {
    systems: BTreeSet<String>,
    features: BTreeSet<String>,
    /// It takes only builds that ask for these.
    mandatory: BTreeSet<String>,
}

/// What can be built here or on a configured builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// This machine's own system.
    pub system: String,
    builders: Vec<Builder>,
}

impl Capabilities {
    /// Every system that can be built for.
    pub fn systems(&self) -> BTreeSet<String> {
        let systems = self.builders.iter().flat_map(|builder| &builder.systems);
        systems.cloned().collect()
    }

    /// Why a derivation of this system that requires these features cannot be built; none if it can.
    pub fn lack(&self, system: &str, required: &BTreeSet<String>) -> Option<String> {
        let of_the_system: Vec<&Builder> = self
            .builders
            .iter()
            .filter(|builder| builder.systems.contains(system))
            .collect();
        let takes = |builder: &&Builder| {
            builder.mandatory.is_subset(required)
                && required.iter().all(|feature| {
                    builder.features.contains(feature) || builder.mandatory.contains(feature)
                })
        };
        if of_the_system.iter().any(takes) {
            return None;
        }
        if of_the_system.is_empty() {
            return Some(format!("needs a machine with {system}"));
        }
        let nobody_has = |feature: &&String| {
            let has = |builder: &&Builder| {
                builder.features.contains(*feature) || builder.mandatory.contains(*feature)
            };
            !of_the_system.iter().any(has)
        };
        let mut missing: Vec<&str> = required
            .iter()
            .filter(nobody_has)
            .map(String::as_str)
            .collect();
        if missing.is_empty() {
            // Each is somewhere, and all of them nowhere.
            missing = required.iter().map(String::as_str).collect();
        }
        Some(format!("needs the feature {}", missing.join(", ")))
    }
}

/// Reads `nix config show --json`. `read` gives the content of a machines file.
///
/// # Errors
/// If `json` is no configuration.
pub fn capabilities(json: &[u8], read: impl Fn(&str) -> Option<String>) -> Result<Capabilities> {
    let config: Config =
        serde_json::from_slice(json).context("cannot read `nix config show --json`")?;
    let system = config.system.value;
    let mut systems: BTreeSet<String> = config.extra_platforms.value.into_iter().collect();
    systems.insert(system.clone());
    let own = Builder {
        systems,
        features: config.system_features.value.into_iter().collect(),
        mandatory: BTreeSet::new(),
    };
    let mut builders = vec![own];
    builders.extend(parse_builders(&config.builders.value, &system, Some(&read)));
    Ok(Capabilities { system, builders })
}

/// `ssh://host aarch64-linux,armv7l-linux key jobs speed features mandatory; …`, or `@/etc/nix/machines`.
fn parse_builders(text: &str, own_system: &str, read: Option<ReadFile>) -> Vec<Builder> {
    let mut builders = Vec::new();
    for line in text.split(['\n', ';']) {
        let line = line.split('#').next().unwrap_or_default().trim();
        match (line.strip_prefix('@'), read) {
            _ if line.is_empty() => (),
            (Some(file), Some(read)) => {
                // A machines file that is not there is as good as an empty one, and none names another one.
                let text = read(file).unwrap_or_default();
                builders.extend(parse_builders(&text, own_system, None));
            }
            (Some(_), None) => (),
            (None, _) => builders.push(parse_builder(line, own_system)),
        }
    }
    builders
}

fn parse_builder(line: &str, own_system: &str) -> Builder {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let words = |field: usize| -> BTreeSet<String> {
        let field = fields.get(field).copied().unwrap_or("-");
        let words = field.split(',').filter(|word| *word != "-");
        words.map(str::to_owned).collect()
    };
    let mut systems = words(1);
    if systems.is_empty() {
        // As Nix has it: one that names no system is like this machine.
        systems.insert(own_system.to_owned());
    }
    Builder {
        systems,
        features: words(5),
        mandatory: words(6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capable(builders: &str) -> Capabilities {
        let json = format!(
            r#"{{"system":{{"value":"x86_64-linux"}},"extra-platforms":{{"value":["i686-linux"]}},
                "system-features":{{"value":["big-parallel","nixos-test"]}},
                "builders":{{"value":"{builders}","defaultValue":""}},"cores":{{"value":0}}}}"#
        );
        let machines = "# ours\nssh://nix@arm aarch64-linux,armv7l-linux - 4\n";
        capabilities(json.as_bytes(), |file| {
            (file == "/etc/nix/machines").then(|| machines.to_owned())
        })
        .unwrap()
    }

    fn of(builders: &str) -> Vec<String> {
        capable(builders).systems().into_iter().collect()
    }

    #[test]
    fn a_machine_builds_for_itself() {
        assert_eq!(of(""), ["i686-linux", "x86_64-linux"]);
        assert_eq!(of("@/missing"), ["i686-linux", "x86_64-linux"]);
    }

    #[test]
    fn builders_add_their_systems() {
        let with_arm = ["aarch64-linux", "i686-linux", "x86_64-linux"];
        assert_eq!(of("ssh://a aarch64-linux; ssh://b"), with_arm);
        assert_eq!(
            of("@/etc/nix/machines"),
            [
                "aarch64-linux",
                "armv7l-linux",
                "i686-linux",
                "x86_64-linux"
            ]
        );
    }

    #[test]
    fn what_is_lacking_is_the_system_or_a_feature() {
        let lack = |builders: &str, system: &str, features: &[&str]| {
            let features = features.iter().map(|word| (*word).to_owned()).collect();
            capable(builders).lack(system, &features)
        };
        assert_eq!(lack("", "x86_64-linux", &[]), None);
        assert_eq!(lack("", "i686-linux", &["big-parallel"]), None);
        assert_eq!(
            lack("", "x86_64-linux", &["kvm", "nixos-test"]).unwrap(),
            "needs the feature kvm"
        );
        assert_eq!(
            lack("", "aarch64-linux", &["kvm"]).unwrap(),
            "needs a machine with aarch64-linux"
        );
        assert_eq!(lack("@/etc/nix/machines", "aarch64-linux", &[]), None);
        let with_kvm = "ssh://root@big x86_64-linux - 8 1 kvm,nixos-test";
        assert_eq!(lack(with_kvm, "x86_64-linux", &["kvm", "nixos-test"]), None);
        let only_kvm = "ssh://root@big x86_64-linux - 8 1 - kvm";
        assert_eq!(lack(only_kvm, "x86_64-linux", &["kvm"]), None);
        assert_eq!(
            lack(only_kvm, "x86_64-linux", &["kvm", "nixos-test"]).unwrap(),
            "needs the feature kvm, nixos-test"
        );
    }
}
