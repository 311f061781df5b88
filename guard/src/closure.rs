//! Whether every path of a closure is signed by a key that the host trusts. `nix store verify` says so of all but the
//! content-addressed paths, which it takes for good without a signature; those are looked at here.

mod encoding;
pub mod path_info;

use std::path::Path;
use std::time::Duration;

use anyhow::{bail, Result};

use crate::process::{last_lines, Exit, Program};
use crate::refusal::{Code, Refusal};
use crate::store_path::StorePath;
pub use path_info::PathInfo;

/// Bit of `nix store verify`'s exit code that says that a path has too few signatures.
const UNTRUSTED: i32 = 2;
const TIME: Duration = Duration::from_secs(300);
const FEATURES: [&str; 2] = ["--extra-experimental-features", "nix-command"];

/// A closure's paths and their sizes, and none that is not signed.
///
/// # Errors
/// The outer one if Nix cannot be asked; the inner ones are `unsigned`, `content-addressed`, `not-in-store`.
pub fn check(nix: &Path, trusted: &[String], top: &StorePath) -> Result<Result<(), Refusal>> {
    // Both answers take a second at 3,000 paths; they do not depend on each other.
    let (infos, verified) = std::thread::scope(|scope| {
        let verified = scope.spawn(|| verify(nix, trusted, top));
        let infos = path_infos(nix, top);
        let verified = verified
            .join()
            .unwrap_or_else(|_| Err(anyhow::anyhow!("the signatures were not looked at")));
        (infos, verified)
    });
    let infos = match infos? {
        Ok(infos) => infos,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if !infos.iter().any(|info| info.path == *top) {
        bail!("nix path-info says nothing of {top}");
    }
    let keys = encoding::public_keys(trusted)?;
    let unsigned = infos
        .iter()
        .find(|info| info.content_addressed && !info.is_signed_by(&keys));
    if let Some(info) = unsigned {
        return Ok(Err(Refusal::because(Code::ContentAddressed, &info.path)));
    }
    verified
}

fn path_infos(nix: &Path, top: &StorePath) -> Result<Result<Vec<PathInfo>, Refusal>> {
    let captured = Program::new(nix)
        .args(FEATURES)
        .args([
            "path-info",
            "--offline",
            "--json",
            "--recursive",
            top.as_str(),
        ])
        .within(TIME)
        .capture()?;
    match captured.exit {
        Exit::Code(0) => Ok(Ok(path_info::parse(&captured.stdout)?)),
        Exit::Code(_) if captured.stderr.contains("is not valid") => {
            Ok(Err(Refusal::because(Code::NotInStore, top)))
        }
        exit => bail!("nix path-info {exit}{}", last_lines(&captured.stderr)),
    }
}

fn verify(nix: &Path, trusted: &[String], top: &StorePath) -> Result<Result<(), Refusal>> {
    let captured = Program::new(nix)
        .args(FEATURES)
        .args([
            "store",
            "verify",
            "--offline",
            "--recursive",
            "--no-contents",
        ])
        .args(["--sigs-needed", "1", "--option", "trusted-public-keys"])
        .args([
            trusted.join(" ").as_str(),
            "--option",
            "secret-key-files",
            "",
        ])
        .args([top.as_str()])
        .within(TIME)
        .capture()?;
    match captured.exit {
        Exit::Code(0) => Ok(Ok(())),
        Exit::Code(code) if code & UNTRUSTED != 0 && code < 4 => {
            let which = untrusted_path(&captured.stderr).unwrap_or(top.as_str());
            Ok(Err(Refusal::because(Code::Unsigned, which)))
        }
        Exit::Code(_) if captured.stderr.contains("is not valid") => {
            Ok(Err(Refusal::because(Code::NotInStore, top)))
        }
        exit => bail!("nix store verify {exit}{}", last_lines(&captured.stderr)),
    }
}

/// The first path of which Nix says that it is untrusted.
fn untrusted_path(stderr: &str) -> Option<&str> {
    let line = stderr.lines().find(|line| line.contains("is untrusted"))?;
    line.split('\'').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_untrusted_path_is_found_in_what_nix_says() {
        let said = "checking '/nix/store/a-b'...\n\u{1b}[31;1merror:\u{1b}[0m path '/nix/store/c-d' is untrusted\n";
        assert_eq!(untrusted_path(said), Some("/nix/store/c-d"));
        assert_eq!(untrusted_path(""), None);
    }
}
