//! This program, for others to start.

use std::path::PathBuf;

/// A path that starts this very program for as long as this process lives, for processes of the same user in the same
/// name spaces of users and processes. Cargo may put a newer one in its place meanwhile, as `xtask test` has it do: then
/// nothing is left under its name, or what is there is another.
pub fn program() -> PathBuf {
    PathBuf::from(format!("/proc/{}/exe", std::process::id()))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    const ASKED: &str = "SLIPWAY_TEST_OWN_PROGRAM";

    /// A copy of this test is the program that is removed while it runs.
    #[test]
    fn it_starts_although_its_file_is_gone() {
        let file = match std::env::var_os(ASKED) {
            Some(file) => file,
            None => {
                let folder = tempfile::tempdir().unwrap();
                let copy = folder.path().join("program");
                // By another process: one that a test beside this one starts would inherit the file open for writing.
                let copied = Command::new("cp").arg(super::program()).arg(&copy).status();
                assert!(copied.unwrap().success());
                let this = "process::own::tests::it_starts_although_its_file_is_gone";
                let output = Command::new(&copy)
                    .args(["--exact", this])
                    .env(ASKED, &copy)
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stdout);
                assert!(
                    output.status.success() && said.contains("1 passed"),
                    "{said}"
                );
                return;
            }
        };
        std::fs::remove_file(file).unwrap();
        let output = Command::new(super::program())
            .arg("--list")
            .output()
            .unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8_lossy(&output.stdout).contains("process::own"));
    }
}
