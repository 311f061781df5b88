//! sops: its arguments. What it writes is read by `secrets`.

use std::path::Path;
use std::time::Duration;

use crate::process::Command;

/// A key may be on a token that somebody has to touch; one that asks for a passphrase has no terminal here.
const PATIENCE: Duration = Duration::from_secs(120);

/// Encrypts the key of a file, in place, to whom the `.sops.yaml` of this folder says.
pub fn update_keys(program: &Path, folder: &Path, file: &str) -> Command {
    in_folder(program, folder).args(["updatekeys", "--yes", file])
}

/// Gives a file another key, in place, and encrypts all values with it.
pub fn rotate(program: &Path, folder: &Path, file: &str) -> Command {
    in_folder(program, folder).args(["rotate", "--in-place", file])
}

fn in_folder(program: &Path, folder: &Path) -> Command {
    Command::new(program).current_dir(folder).timeout(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_asked() {
        let (program, folder) = (Path::new("/t/sops"), Path::new("/f"));
        let lines =
            [update_keys, rotate].map(|command| command(program, folder, "a b.yaml").line());
        assert_eq!(
            lines,
            [
                "sops updatekeys --yes 'a b.yaml'",
                "sops rotate --in-place 'a b.yaml'"
            ]
        );
    }
}
