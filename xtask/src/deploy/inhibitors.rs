//! Why a running system can only be left by a reboot, from the two systems alone.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Result};

/// What `switch-to-configuration` compares before it switches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inhibitors {
    init: Option<String>,
    /// `system.switch.inhibitors` by name; empty in systems that know none.
    named: BTreeMap<String, String>,
}

impl Inhibitors {
    /// # Errors
    /// If something that is there cannot be read.
    pub fn read(toplevel: &Path) -> Result<Self> {
        let init = text(&toplevel.join("init-interface-version"))?;
        let named = match text(&toplevel.join("switch-inhibitors"))? {
            // Early releases had a list, which nothing can be compared by name with.
            Some(json) => serde_json::from_str(&json).unwrap_or_default(),
            None => BTreeMap::new(),
        };
        Ok(Self { init, named })
    }

    /// Why one cannot switch from this system to `new`; empty if one can. A name that only one of them has says nothing.
    pub fn against(&self, new: &Self) -> Vec<String> {
        let mut why = Vec::new();
        if self.init.is_some() && self.init != new.init {
            why.push("the init system changes".to_owned());
        }
        let changed = self
            .named
            .iter()
            .filter(|(name, value)| new.named.get(*name).is_some_and(|now| now != *value))
            .map(|(name, _)| format!("{name} changes"));
        why.extend(changed);
        why
    }
}

fn text(file: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", file.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system(init: Option<&str>, inhibitors: Option<&str>) -> Inhibitors {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("init-interface-version", init),
            ("switch-inhibitors", inhibitors),
        ] {
            if let Some(text) = text {
                std::fs::write(dir.path().join(file), text).unwrap();
            }
        }
        Inhibitors::read(dir.path()).unwrap()
    }

    #[test]
    fn what_both_have_and_differs_inhibits() {
        let old = system(Some("systemd 2"), Some(r#"{"dbus":"dbus","a":"1"}"#));
        let new = system(Some("systemd 2"), Some(r#"{"dbus":"broker","b":"1"}"#));
        assert_eq!(old.against(&new), ["dbus changes"]);
        assert!(old.against(&old).is_empty());
        let other = system(Some("systemd 3"), None);
        assert_eq!(old.against(&other), ["the init system changes"]);
    }

    #[test]
    fn systems_that_say_nothing_inhibit_nothing() {
        let silent = system(None, None);
        let list = system(Some("systemd 2"), Some(r#"["dbus"]"#));
        assert!(silent.against(&list).is_empty());
        assert!(list.against(&list).is_empty());
    }
}
