//! Where Nix keeps a fetched source, told from its hash alone. Pure.

use sha2::{Digest as _, Sha256};

use super::digest::hex;
use crate::fleet::store_path::StorePath;

/// The path of a fetched source: Nix derives it from the hash of its content alone.
pub fn source_path(nar_hash: &str) -> Option<StorePath> {
    let hash = base64(nar_hash.strip_prefix("sha256-")?)?;
    let inner = hex(&hash);
    let full = Sha256::digest(format!("source:sha256:{inner}:/nix/store:source"));
    let mut folded = [0u8; 20];
    for (at, byte) in full.iter().enumerate() {
        folded[at % 20] ^= byte;
    }
    StorePath::parse(&format!("{}-source", base32(&folded))).ok()
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut buffer, mut bits) = (0u32, 0u32);
    for c in text.trim_end_matches('=').bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

/// Nix' own base 32: digits and most consonants, the last bits first.
fn base32(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";
    let length = (bytes.len() * 8).div_ceil(5);
    (0..length)
        .rev()
        .map(|n| {
            let (byte, shift) = (n * 5 / 8, n * 5 % 8);
            let low = u16::from(bytes[byte]) >> shift;
            let high = bytes
                .get(byte + 1)
                .map_or(0, |next| u16::from(*next) << (8 - shift));
            char::from(DIGITS[usize::from((low | high) & 31)])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sources_path_follows_from_its_hash() {
        // As Nix 2.26 and 2.34 computed it for a flake on this machine.
        let path = source_path("sha256-DgCCiqi5+URnG8i1Feb403giegv4Z+u0aViT/RJkNkM=").unwrap();
        assert_eq!(
            path.as_str(),
            "/nix/store/z2j6gkx4bnwpls6gchxp6iv0mhbq2hhd-source"
        );
        assert_eq!(source_path("sha1-x"), None);
        assert_eq!(source_path("sha256-!"), None);
    }
}
