//! The boot loader's entries. Which is which is asked of bootctl; no entry's name is ever composed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::process::Program;
use crate::store_path::StorePath;

const TIME: Duration = Duration::from_secs(30);

/// An entry as `bootctl list --json` has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub id: String,
    #[serde(default)]
    options: Option<String>,
    #[serde(default)]
    is_default: bool,
}

impl Entry {
    /// The closure whose `init` it starts.
    pub fn toplevel(&self) -> Option<StorePath> {
        let options = self.options.as_deref()?;
        let init = options
            .split_whitespace()
            .find_map(|word| word.strip_prefix("init="))?;
        StorePath::containing(Path::new(init))
    }
}

pub fn parse(json: &str) -> Result<Vec<Entry>> {
    serde_json::from_str(json).context("cannot read what bootctl list prints")
}

/// The entry that boots if nothing happens.
pub fn default_entry(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().find(|entry| entry.is_default)
}

/// The entry of a closure: if several start it, the one that is the default, else the last one listed.
pub fn entry_of<'a>(entries: &'a [Entry], toplevel: &StorePath) -> Option<&'a Entry> {
    let mut matching = entries
        .iter()
        .filter(|entry| entry.toplevel().as_ref() == Some(toplevel));
    matching
        .clone()
        .find(|entry| entry.is_default)
        .or_else(|| matching.next_back())
}

/// bootctl, and the partition it looks at.
pub struct BootLoader<'a> {
    pub bootctl: &'a Path,
    pub esp: Option<&'a Path>,
}

impl BootLoader<'_> {
    fn bootctl(&self) -> Program {
        let esp = self.esp.map(|esp| format!("--esp-path={}", esp.display()));
        Program::new(self.bootctl).args(esp).within(TIME)
    }

    /// # Errors
    /// If bootctl fails.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        parse(&self.bootctl().args(["list", "--json=short"]).output()?)
    }

    /// The next boot only.
    ///
    /// # Errors
    /// If bootctl fails.
    pub fn boot_once(&self, id: &str) -> Result<()> {
        self.bootctl().args(["set-oneshot", id]).output().map(drop)
    }

    /// Every boot, whatever the loader's file says.
    ///
    /// # Errors
    /// If bootctl fails.
    pub fn protect(&self, id: &str) -> Result<()> {
        self.bootctl().args(["set-default", id]).output().map(drop)
    }

    /// What the loader's file says holds again.
    ///
    /// # Errors
    /// If bootctl fails.
    pub fn clear(&self) -> Result<()> {
        self.bootctl().args(["set-oneshot", ""]).output()?;
        self.bootctl().args(["set-default", ""]).output().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-Niko-a";
    const B: &str = "/nix/store/0123456789abcdfghijklmnpqrsvwxyz-nixos-system-Niko-b";

    fn listed() -> Vec<Entry> {
        // In the form of systemd 257.
        let entry = |id: &str, toplevel: &str, default: bool| {
            format!(
                r#"{{"type":"type1","source":"esp","id":"{id}","path":"/boot/loader/entries/{id}","title":"NixOS",
                "version":"Generation 1","options":"root=LABEL=root init={toplevel}/init console=ttyS0",
                "linux":"/EFI/nixos/x.efi","isReported":true,"isDefault":{default},"isSelected":false}}"#
            )
        };
        let automatic = r#"{"type":"auto","id":"auto-reboot-to-firmware-setup","isDefault":false}"#;
        let all = [
            entry("nixos-generation-3.conf", A, false),
            entry("nixos-generation-2.conf", B, true),
            entry("nixos-generation-1.conf", B, false),
        ];
        parse(&format!("[{},{automatic}]", all.join(","))).unwrap()
    }

    #[test]
    fn entries_are_found_by_what_they_start() {
        let entries = listed();
        let id = |toplevel: &str| {
            let entry = entry_of(&entries, &toplevel.parse().unwrap())?;
            Some(entry.id.clone())
        };
        assert_eq!(id(A).as_deref(), Some("nixos-generation-3.conf"));
        assert_eq!(id(B).as_deref(), Some("nixos-generation-2.conf"));
        assert_eq!(id(&A.replace("Niko-a", "Niko")), None);
        let default = default_entry(&entries).and_then(Entry::toplevel);
        assert_eq!(default, Some(B.parse().unwrap()));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in ["", "{}", "[{}]", "No boot loader entries found."] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
