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
    builders: Setting<String>,
}

/// The systems that are built here or on a configured builder. `read` gives the content of a machines file.
///
/// # Errors
/// If `json` is no configuration.
pub fn systems(json: &[u8], read: impl Fn(&str) -> Option<String>) -> Result<BTreeSet<String>> {
    let config: Config =
        serde_json::from_slice(json).context("cannot read `nix config show --json`")?;
    let mut systems: BTreeSet<String> = config.extra_platforms.value.into_iter().collect();
    systems.extend(builder_systems(&config.builders.value, &read));
    systems.insert(config.system.value);
    Ok(systems)
}

/// `ssh://host aarch64-linux,armv7l-linux …; …`, or `@/etc/nix/machines`.
fn builder_systems(builders: &str, read: &impl Fn(&str) -> Option<String>) -> Vec<String> {
    builders
        .split(['\n', ';'])
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
        .flat_map(|line| match line.strip_prefix('@') {
            Some(file) => {
                let text = read(file).unwrap_or_default();
                // A machines file names no other file.
                builder_systems(&text.replace('@', "#"), read)
            }
            None => {
                let systems = line.split_whitespace().nth(1).unwrap_or("-");
                systems.split(',').map(str::to_owned).collect()
            }
        })
        .filter(|system| system != "-")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(builders: &str) -> Vec<String> {
        let json = format!(
            r#"{{"system":{{"value":"x86_64-linux"}},"extra-platforms":{{"value":["i686-linux"]}},
                "builders":{{"value":"{builders}","defaultValue":""}},"cores":{{"value":0}}}}"#
        );
        let machines = "# ours\nssh://arm aarch64-linux,armv7l-linux - 4\n";
        systems(json.as_bytes(), |file| {
            (file == "/etc/nix/machines").then(|| machines.to_owned())
        })
        .unwrap()
        .into_iter()
        .collect()
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
}
