//! Who can decrypt: age recipients, and ssh keys as sops and sops-nix take them. Pure.

use std::fmt;

use base64::prelude::{Engine, BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use curve25519_dalek::edwards::CompressedEdwardsY;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// What age encrypts to: `age1…`, or an ssh key without its comment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Recipient(String);

impl Recipient {
    /// As it stands in a file, or is stated for an operator.
    ///
    /// # Errors
    /// Why age takes no such key.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let mut words = text.split_whitespace();
        let kind = words.next().unwrap_or_default();
        match kind {
            "ssh-ed25519" | "ssh-rsa" => {
                let key = words.next().unwrap_or_default();
                let blob = BASE64_STANDARD.decode(key).unwrap_or_default();
                let (own_kind, rest) = field(&blob).ok_or("it is no ssh key: it was cut off")?;
                if own_kind != kind.as_bytes() || field(rest).is_none() {
                    return Err(format!("it is no {kind} key"));
                }
                Ok(Self(format!("{kind} {key}")))
            }
            _ if kind.starts_with("age1") => {
                let good = CheckedHrpstring::new::<Bech32>(text)
                    .is_ok_and(|it| it.hrp() == AGE && it.byte_iter().count() == 32);
                if good {
                    Ok(Self(text.to_owned()))
                } else {
                    Err("it is no age recipient: a letter is wrong or missing".to_owned())
                }
            }
            "" => Err("it is empty".to_owned()),
            _ => Err(format!(
                "age takes ssh-ed25519, ssh-rsa and age1…, not {kind}"
            )),
        }
    }

    /// The key of a host as its files have it: sops-nix makes an age key of sshd's. None if it is of another kind than
    /// ed25519, which sops-nix leaves alone.
    ///
    /// # Errors
    /// If it is no key.
    pub fn of_host_key(line: &str) -> Option<Result<Self, String>> {
        line.trim_start()
            .starts_with("ssh-ed25519 ")
            .then(|| Self::parse(line).and_then(|key| key.as_age().ok_or_else(off_the_curve)))
    }

    /// The age recipient that has the same private half; none of an rsa key.
    pub fn as_age(&self) -> Option<Self> {
        let Some(blob) = self.blob() else {
            return Some(self.clone());
        };
        let (kind, rest) = field(&blob)?;
        let (point, _) = field(rest)?;
        if kind != b"ssh-ed25519" {
            return None;
        }
        let point = CompressedEdwardsY::from_slice(point).ok()?.decompress()?;
        let bytes = point.to_montgomery().to_bytes();
        bech32::encode::<Bech32>(AGE, &bytes).ok().map(Self)
    }

    /// The first words of the stanza that age writes for it. An X25519 stanza says nothing more of whom it is for.
    pub fn stanza(&self) -> String {
        match self.blob() {
            None => "X25519".to_owned(),
            Some(blob) => {
                let kind = self.0.split(' ').next().unwrap_or_default();
                let tag = BASE64_STANDARD_NO_PAD.encode(&Sha256::digest(blob)[..4]);
                format!("{kind} {tag}")
            }
        }
    }

    /// An ssh key in the form in which sshd sends it.
    fn blob(&self) -> Option<Vec<u8>> {
        let (_, key) = self.0.split_once(' ')?;
        BASE64_STANDARD.decode(key).ok()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const AGE: Hrp = Hrp::parse_unchecked("age");

fn off_the_curve() -> String {
    "it is no ed25519 key: no such point".to_owned()
}

/// The first field of a blob, and what comes after it: each has its length before it, in four bytes.
fn field(blob: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length > 0).then(|| rest.split_at_checked(length))?
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// hosts/site.nix has it: nobody has the other half.
    const SSH: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJR9/ZPYtnlBva8WZluKk2aB+s0FfX5/NQHvcgubUo2S a@b";

    #[test]
    fn a_comment_is_no_part_of_a_key() {
        let key = Recipient::parse(SSH).unwrap();
        assert_eq!(key.as_str(), SSH.strip_suffix(" a@b").unwrap());
        assert_eq!(Recipient::parse(key.as_str()), Ok(key));
    }

    #[test]
    fn an_age_recipient_is_its_own_form() {
        let age = Recipient::of_host_key(SSH).unwrap().unwrap();
        assert_eq!(age.as_str().len(), 62);
        assert_eq!(Recipient::parse(age.as_str()), Ok(age.clone()));
        assert_eq!(age.as_age(), Some(age));
    }

    #[test]
    fn what_age_takes_not_is_refused_with_the_reason() {
        for (bad, why) in [
            ("", "it is empty"),
            ("ssh-ed25519", "it is no ssh key: it was cut off"),
            (
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
                "it is no ssh-ed25519 key",
            ),
            (
                "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJR9/ZPYtnlBva8WZluKk2aB+s0FfX5/NQHvcgubUo2S",
                "it is no ssh-rsa key",
            ),
            (
                "ecdsa-sha2-nistp256 AAAA",
                "age takes ssh-ed25519, ssh-rsa and age1…, not ecdsa-sha2-nistp256",
            ),
            (
                "age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gx",
                "it is no age recipient: a letter is wrong or missing",
            ),
        ] {
            assert_eq!(Recipient::parse(bad), Err(why.to_owned()), "{bad}");
        }
        assert_eq!(Recipient::of_host_key("ssh-rsa AAAA"), None);
    }
}
