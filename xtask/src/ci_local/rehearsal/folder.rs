//! The folder that xtask takes for machines (`evaluate::machines`): the module that hosts have in addition, and programs.

use std::path::Path;

use anyhow::{Context, Result};
use include_dir::{include_dir, Dir};

use crate::evaluate::machines::{Machines, Places};

static MACHINE: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../tests/machine");
const GUARD: &str = include_str!("../../../../tests/generations/guard.nix");

const MODULE: &str = "import ./machine/rehearsed.nix\n";

/// What is installed at first: whatever the push changes, something is to be deployed.
const INSTALLED: &str = r#"{
  imports = [ ./machine/rehearsed.nix ];
  environment.etc.slipway-installed.text = "by ci-local\n";
}
"#;

/// What hosts are in a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// As they are installed.
    Installed,
    /// As jobs and the builder deploy them.
    Deployed,
}

/// Lays it out, with machines behind these doors.
///
/// # Errors
/// If it cannot be written.
pub fn lay_out(folder: &Path, of: Of, programs: &Path, places: &Places) -> Result<Machines> {
    let module = match of {
        Of::Installed => INSTALLED,
        Of::Deployed => MODULE,
    };
    let write = || -> std::io::Result<()> {
        let machine = folder.join("machine");
        std::fs::create_dir_all(machine.join("machine"))?;
        MACHINE.extract(machine.join("machine"))?;
        std::fs::create_dir_all(machine.join("generations"))?;
        std::fs::write(machine.join("generations/guard.nix"), GUARD)?;
        std::fs::write(machine.join("machine.nix"), module)?;
        let bin = folder.join("crates/bin");
        std::fs::create_dir_all(&bin)?;
        for entry in std::fs::read_dir(programs.join("bin"))? {
            let entry = entry?;
            std::fs::copy(entry.path(), bin.join(entry.file_name()))?;
        }
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", folder.display()))?;
    Machines::place(folder, places)?;
    Machines::read(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_differs_from_what_is_deployed() {
        let dir = tempfile::tempdir().unwrap();
        let programs = dir.path().join("programs");
        std::fs::create_dir_all(programs.join("bin")).unwrap();
        std::fs::write(programs.join("bin/slipway-guard"), "x").unwrap();
        let laid_out = |name: &str, of| {
            lay_out(&dir.path().join(name), of, &programs, &Places::default()).unwrap()
        };
        let (installed, deployed) = (laid_out("a", Of::Installed), laid_out("b", Of::Deployed));
        assert_ne!(installed.hash, deployed.hash);
        for file in [
            "machine.nix",
            "machine/rehearsed.nix",
            "machine/default.nix",
            "generations/guard.nix",
        ] {
            assert!(dir.path().join("b/machine").join(file).is_file(), "{file}");
        }
        assert!(deployed.programs().join("bin/slipway-guard").is_file());
    }
}
