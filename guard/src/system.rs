//! What the host is at this moment: its toplevels (`toplevels`), units and space; and its profile, where it is set.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::statvfs::statvfs;

use crate::answer::FreeBytes;
use crate::boot_loader::BootLoader;
use crate::config::{Config, Loader};
use crate::process::Program;
use crate::state::Generation;
use crate::store_path::StorePath;
use crate::toplevels::Toplevels;

const TIME: Duration = Duration::from_secs(30);

pub struct System<'a> {
    pub config: &'a Config,
}

impl System<'_> {
    pub fn toplevels(&self) -> Toplevels<'_> {
        Toplevels {
            places: &self.config.places,
            loader: match self.config.loader {
                Loader::SystemdBoot => Some(self.boot_loader()),
                Loader::Other => None,
            },
        }
    }

    pub fn boot_loader(&self) -> BootLoader<'_> {
        BootLoader {
            bootctl: &self.config.programs.bootctl,
            esp: self.config.esp.as_deref(),
        }
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
        let now = self.toplevels().generation();
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
}

/// Bytes that root may still fill.
fn free(path: &Path) -> Result<u64> {
    let stat = statvfs(path).with_context(|| format!("cannot look at {}", path.display()))?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}
