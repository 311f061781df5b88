//! Whether a release is signed by somebody whom the host allows: `ssh-keygen -Y` says.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::process::{Exit, Program};
use crate::refusal::{Code, Refusal};
use crate::release::{SignedRelease, NAMESPACE};
use crate::whole_file;

/// Bytes of an armored signature; RSA's longest has some 3 KB.
const LIMIT: usize = 16 * 1024;
const TIME: Duration = Duration::from_secs(10);

/// The name under which the signer is allowed. `scratch` is a folder that only the guard writes in.
///
/// # Errors
/// The outer one if ssh-keygen cannot be run, the inner one `bad-signature`.
pub fn signer(
    ssh_keygen: &Path,
    allowed: &Path,
    scratch: &Path,
    signed: &SignedRelease,
) -> Result<Result<String, Refusal>> {
    let refusal = |why: &str| Ok(Err(Refusal::because(Code::BadSignature, why)));
    if signed.signature.len() > LIMIT {
        return refusal("the signature is too long");
    }
    let file = scratch.join(format!(
        "signature-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    whole_file::write(&file, signed.signature.as_bytes(), 0o600)?;
    let answer = ask(ssh_keygen, allowed, &file, signed);
    std::fs::remove_file(&file)?;
    answer
}

fn ask(
    ssh_keygen: &Path,
    allowed: &Path,
    file: &Path,
    signed: &SignedRelease,
) -> Result<Result<String, Refusal>> {
    let refusal = |why: &str| Ok(Err(Refusal::because(Code::BadSignature, why)));
    let keygen = |operation: &str| {
        Program::new(ssh_keygen)
            .args(["-Y", operation, "-n", NAMESPACE, "-f"])
            .args([allowed, Path::new("-s"), file])
            .within(TIME)
    };
    let found = keygen("find-principals").capture()?;
    let names = String::from_utf8_lossy(&found.stdout).into_owned();
    let name = match (found.exit, names.lines().next()) {
        // A key may be allowed under several names, `a,b`; which one does not matter.
        (Exit::Code(0), Some(line)) => line.split(',').next().unwrap_or_default().to_owned(),
        _ => return refusal("the key is none of the allowed signers'"),
    };
    if name.is_empty() || name.starts_with('-') || name.chars().any(char::is_whitespace) {
        return refusal("the signer's name is none");
    }
    let verified = keygen("verify")
        .args(["-I", &name])
        .input(signed.release.as_str())
        .capture()?;
    if verified.exit == Exit::Code(0) {
        Ok(Ok(name))
    } else {
        refusal(crate::refusal::one_line(verified.stderr.trim()).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    struct Keys {
        dir: tempfile::TempDir,
    }

    impl Keys {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in ["signer", "stranger"] {
                let made = Command::new("ssh-keygen")
                    .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
                    .arg(dir.path().join(name))
                    .status();
                assert!(made.unwrap().success());
            }
            let public = std::fs::read_to_string(dir.path().join("signer.pub")).unwrap();
            let line = format!("builder namespaces=\"{NAMESPACE}\" {public}");
            std::fs::write(dir.path().join("allowed"), line).unwrap();
            Self { dir }
        }

        fn sign(&self, key: &str, namespace: &str, text: &str) -> SignedRelease {
            let file = self.dir.path().join("text");
            std::fs::write(&file, text).unwrap();
            let signed = Command::new("ssh-keygen")
                .args(["-q", "-Y", "sign", "-n", namespace, "-f"])
                .args([&self.dir.path().join(key), &file])
                .status();
            assert!(signed.unwrap().success());
            let armored = self.dir.path().join("text.sig");
            let signature = std::fs::read_to_string(&armored).unwrap();
            std::fs::remove_file(armored).unwrap();
            SignedRelease {
                release: text.to_owned(),
                signature,
            }
        }

        fn ask(&self, signed: &SignedRelease) -> Result<String, Code> {
            let keygen = Path::new("/usr/bin/ssh-keygen");
            let allowed = self.dir.path().join("allowed");
            let answer = signer(keygen, &allowed, self.dir.path(), signed).unwrap();
            answer.map_err(|refusal| refusal.code)
        }
    }

    #[test]
    fn only_an_allowed_key_signs_and_only_these_bytes() {
        let keys = Keys::new();
        let good = keys.sign("signer", NAMESPACE, "{}");
        assert_eq!(keys.ask(&good), Ok("builder".to_owned()));

        let mut edited = good.clone();
        edited.release.push(' ');
        assert_eq!(keys.ask(&edited), Err(Code::BadSignature));
        let stranger = keys.sign("stranger", NAMESPACE, "{}");
        assert_eq!(keys.ask(&stranger), Err(Code::BadSignature));
        // What the same key signed for something else, git for one.
        let elsewhere = keys.sign("signer", "git", "{}");
        assert_eq!(keys.ask(&elsewhere), Err(Code::BadSignature));
        for signature in [String::new(), "-".to_owned(), "x".repeat(LIMIT + 1)] {
            let release = good.release.clone();
            let signed = SignedRelease { release, signature };
            assert_eq!(keys.ask(&signed), Err(Code::BadSignature));
        }
    }
}
