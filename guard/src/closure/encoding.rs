//! Nix's base 32, base 64, and public keys.

use anyhow::{bail, Context, Result};
use ed25519_compact::PublicKey;

const NIX32: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// As Nix writes hashes: from the end, five bits a character.
pub fn nix32(bytes: &[u8]) -> String {
    let length = (bytes.len() * 8).div_ceil(5);
    let digit = |n: usize| {
        let (byte, shift) = (n * 5 / 8, n * 5 % 8);
        let low = bytes.get(byte).copied().unwrap_or_default();
        let high = bytes.get(byte + 1).copied().unwrap_or_default();
        let both = (u16::from(high) << 8 | u16::from(low)) >> shift;
        char::from(NIX32[usize::from(both & 31)])
    };
    (0..length).rev().map(digit).collect()
}

/// With or without padding; none if anything else is in it.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for char in text.bytes() {
        let value = BASE64.iter().position(|known| *known == char)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over is no part of any byte.
    (bits == 0).then_some(bytes)
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

/// A SHA-256 in any of the forms that Nix prints, as `sha256:` and base 32.
pub fn sha256(text: &str) -> Option<String> {
    let (_, digits) = text.split_once([':', '-'])?;
    if !text.starts_with("sha256") {
        return None;
    }
    if digits.len() == 52 {
        return Some(format!("sha256:{digits}"));
    }
    let bytes = if digits.len() == 64 {
        hex(digits)?
    } else {
        base64(digits)?
    };
    (bytes.len() == 32).then(|| format!("sha256:{}", nix32(&bytes)))
}

/// A store's key, and the name that its signatures carry.
pub struct Key {
    pub name: String,
    pub key: PublicKey,
}

pub fn public_keys(texts: &[String]) -> Result<Vec<Key>> {
    texts
        .iter()
        .map(|text| {
            let (name, key) = text.split_once(':').context("a public key has no name")?;
            let bytes = base64(key).with_context(|| format!("{name}'s key is no base 64"))?;
            match PublicKey::from_slice(&bytes) {
                Ok(key) => Ok(Key {
                    name: name.to_owned(),
                    key,
                }),
                Err(_) => bail!("{name}'s key is no Ed25519 key"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hashes_are_written_as_nix_writes_them() {
        // nix hash convert --to nix32 sha256-vPwaLT/MKaMY4e2dMeV3GPexZzGsYkpI0O9ewXc3JBE=
        let nix32 = "sha256:04946xvw2ppgs144lqmc65kv3xqqfzjk37gdw4ca6afc7wnimz5w";
        let base64 = "sha256-vPwaLT/MKaMY4e2dMeV3GPexZzGsYkpI0O9ewXc3JBE=";
        let hex = "sha256:bcfc1a2d3fcc29a318e1ed9d31e57718f7b16731ac624a48d0ef5ec177372411";
        for form in [nix32, base64, hex] {
            assert_eq!(sha256(form).as_deref(), Some(nix32), "{form}");
        }
        assert_eq!(sha256("sha512-AAAA"), None);
        assert_eq!(sha256("sha256-AAAA"), None);
    }

    #[test]
    fn keys_have_a_name_and_32_bytes() {
        let good = "test-1:1jFuSU+4KxOlMxHMjJdHSbk9nvzGCzHlvMz6fTUX/nE=".to_owned();
        assert_eq!(public_keys(&[good]).unwrap()[0].name, "test-1");
        for bad in ["test-1", "test-1:", "test-1:AAAA", "test-1:!"] {
            assert!(public_keys(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_taken_or_refused(text in "\\PC{0,80}") {
            let _ = (base64(&text), sha256(&text), sha256(&format!("sha256:{text}")));
        }
    }
}
