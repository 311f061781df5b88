//! What the host is at this moment: what runs, what booted, what boots next, its profile, units and space.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

use crate::answer::FreeBytes;
use crate::boot_loader::{default_entry, BootLoader, Entry};
use crate::config::{Config, Loader};
use crate::process::Program;
use crate::state::Generation;
use crate::store_path::StorePath;

const TIME: Duration = Duration::from_secs(30);

pub struct System<'a> {
    pub config: &'a Config,
}

impl System<'_> {
    pub fn running(&self) -> Option<StorePath> {
        StorePath::of_link(&self.config.places.running)
    }

    pub fn booted(&self) -> Option<StorePath> {
        StorePath::of_link(&self.config.places.booted)
    }

    /// The toplevel that the system profile leads to, through what deploy-rs or an installer put around it.
    pub fn profile(&self) -> Option<StorePath> {
        toplevel_of(&self.config.places.profile)
    }

    /// What boots if nothing happens; the profile where the loader cannot be asked.
    ///
    /// # Errors
    /// If bootctl fails.
    pub fn boot_default(&self) -> Result<Option<StorePath>> {
        match self.config.loader {
            Loader::SystemdBoot => {
                let entries = self.boot_loader().entries()?;
                Ok(default_entry(&entries).and_then(Entry::toplevel))
            }
            Loader::Other => Ok(self.profile()),
        }
    }

    pub fn boot_loader(&self) -> BootLoader<'_> {
        BootLoader {
            bootctl: &self.config.programs.bootctl,
            esp: self.config.esp.as_deref(),
        }
    }

    /// The profile's generation: the link's name says its number.
    pub fn generation(&self) -> Option<Generation> {
        let profile = &self.config.places.profile;
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

    fn generation_link(&self, number: u64) -> PathBuf {
        let profile = &self.config.places.profile;
        let name = profile.file_name().unwrap_or_default().to_string_lossy();
        profile.with_file_name(format!("{name}-{number}-link"))
    }

    fn nix_env(&self) -> Program {
        Program::new(&self.config.programs.nix_env)
            .args(["--profile"])
            .args([&self.config.places.profile])
            .env("PATH", &self.config.path)
            .within(TIME)
    }

    /// # Errors
    /// If Nix fails.
    pub fn set_profile(&self, toplevel: &StorePath) -> Result<()> {
        self.nix_env().args(["--set", toplevel.as_str()]).output()?;
        Ok(())
    }

    /// Back to a generation, and the newer one that led to `undone` is forgotten.
    ///
    /// # Errors
    /// If Nix fails.
    pub fn restore_profile(&self, before: &Generation, undone: &StorePath) -> Result<()> {
        let now = self.generation();
        if now.as_ref() == Some(before) {
            return Ok(());
        }
        let number = before.number.to_string();
        self.nix_env()
            .args(["--switch-generation", &number])
            .output()?;
        let newer = now.filter(|now| now.number > before.number && now.target == *undone);
        if let Some(newer) = newer {
            let number = newer.number.to_string();
            self.nix_env()
                .args(["--delete-generations", &number])
                .output()?;
        }
        Ok(())
    }

    /// Units that have failed.
    ///
    /// # Errors
    /// If systemd cannot be asked.
    pub fn failed_units(&self) -> Result<Vec<String>> {
        let listed = Program::new(&self.config.programs.systemctl)
            .args([
                "list-units",
                "--state=failed",
                "--plain",
                "--no-legend",
                "--full",
            ])
            .within(TIME)
            .output()
            .context("cannot ask systemd for its failed units")?;
        let unit = |line: &str| line.split_whitespace().next().map(str::to_owned);
        Ok(listed.lines().filter_map(unit).collect())
    }

    /// # Errors
    /// If a file system cannot be asked.
    pub fn free_bytes(&self) -> Result<FreeBytes> {
        Ok(FreeBytes {
            store: free(&self.config.places.store)?,
            esp: self.config.esp.as_deref().map(free).transpose()?,
        })
    }

    /// Why what runs is not what a boot of it would be.
    pub fn reboot_due(&self) -> Vec<String> {
        match (self.booted(), self.running()) {
            (Some(booted), Some(running)) => reboot_reasons(&booted, &running),
            _ => Vec::new(),
        }
    }
}

/// Parts of a system that only a boot changes.
fn reboot_reasons(booted: &StorePath, running: &StorePath) -> Vec<String> {
    let target = |of: &StorePath, part: &str| std::fs::canonicalize(of.join(part)).ok();
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

/// Bytes that root may still fill.
fn free(path: &Path) -> Result<u64> {
    let stat = statvfs(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
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
