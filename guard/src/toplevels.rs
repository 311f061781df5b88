//! Which toplevels a host runs, has booted, boots next and has in its profile: store paths, read from links and from the
//! boot loader. Needs no guard on the host.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::boot_loader::{default_entry, BootLoader, Entry};
use crate::config::Places;
use crate::state::Generation;
use crate::store_path::StorePath;

pub struct Toplevels<'a> {
    pub places: &'a Places,
    /// None: what boots next is the profile.
    pub loader: Option<BootLoader<'a>>,
}

impl Toplevels<'_> {
    pub fn running(&self) -> Option<StorePath> {
        StorePath::of_link(&self.places.running)
    }

    pub fn booted(&self) -> Option<StorePath> {
        StorePath::of_link(&self.places.booted)
    }

    /// The toplevel that the system profile leads to, through what deploy-rs or an installer put around it.
    pub fn profile(&self) -> Option<StorePath> {
        toplevel_of(&self.places.profile)
    }

    /// What boots if nothing happens; the profile where the loader cannot be asked.
    ///
    /// # Errors
    /// If bootctl fails.
    pub fn boot_default(&self) -> Result<Option<StorePath>> {
        match &self.loader {
            Some(loader) => Ok(default_entry(&loader.entries()?).and_then(Entry::toplevel)),
            None => Ok(self.profile()),
        }
    }

    /// The profile's generation: the link's name says its number.
    pub fn generation(&self) -> Option<Generation> {
        let profile = &self.places.profile;
        let link = std::fs::read_link(profile).ok()?;
        Some(Generation {
            number: generation_number(link.file_name()?.to_str()?)?,
            target: StorePath::of_link(profile)?,
        })
    }

    /// What a generation leads to.
    pub fn toplevel_of_generation(&self, number: u64) -> Option<StorePath> {
        toplevel_of(&self.generation_link(number))
    }

    /// The newest generation that leads to a toplevel, with the link that says so.
    pub fn generation_of(&self, toplevel: &StorePath) -> Option<(u64, PathBuf)> {
        let folder = std::fs::read_dir(self.places.profile.parent()?).ok()?;
        let own = |link: &std::fs::DirEntry| {
            let number = generation_number(link.file_name().to_str()?)?;
            (link.path() == self.generation_link(number)).then_some(number)
        };
        folder
            .filter_map(|link| own(&link.ok()?))
            .filter(|number| self.toplevel_of_generation(*number).as_ref() == Some(toplevel))
            .max()
            .map(|number| (number, self.generation_link(number)))
    }

    fn generation_link(&self, number: u64) -> PathBuf {
        let profile = &self.places.profile;
        let name = profile.file_name().unwrap_or_default().to_string_lossy();
        profile.with_file_name(format!("{name}-{number}-link"))
    }

    /// Why what runs is not what a boot of it would be.
    pub fn reboot_due(&self) -> Vec<String> {
        match (self.booted(), self.running()) {
            (Some(booted), Some(running)) => reboot_reasons(&booted, &running),
            _ => Vec::new(),
        }
    }
}

/// Parts of a system that only a boot changes. They are links, and what these say is compared, as NixOS' own hints do: two
/// kernels' store paths may lead to one file on a host that has its kernel elsewhere.
pub fn reboot_reasons(booted: &StorePath, running: &StorePath) -> Vec<String> {
    let target = |of: &StorePath, part: &str| {
        let part = of.join(part);
        std::fs::read_link(&part)
            .or_else(|_| std::fs::canonicalize(part))
            .ok()
    };
    let parts = [
        ("kernel", "kernel"),
        ("initrd", "initrd"),
        ("modules", "kernel-modules"),
    ];
    let mut reasons: Vec<String> = parts
        .iter()
        .filter(|(_, part)| target(booted, part) != target(running, part))
        .map(|(name, _)| (*name).to_owned())
        .collect();
    let parameters = |of: &StorePath| std::fs::read(of.join("kernel-params")).ok();
    if parameters(booted) != parameters(running) {
        reasons.push("kernel-parameters".to_owned());
    }
    reasons
}

/// `system-12-link`
fn generation_number(link: &str) -> Option<u64> {
    let (_, number) = link.strip_suffix("-link")?.rsplit_once('-')?;
    number.parse().ok()
}

fn toplevel_of(link: &Path) -> Option<StorePath> {
    let init = std::fs::canonicalize(link.join("init")).ok()?;
    StorePath::containing(&init)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_s_number_is_in_its_link() {
        assert_eq!(generation_number("system-12-link"), Some(12));
        assert_eq!(generation_number("my-profile-3-link"), Some(3));
        for other in ["system", "system-link", "system-x-link", "system-12"] {
            assert_eq!(generation_number(other), None, "{other}");
        }
    }
}
