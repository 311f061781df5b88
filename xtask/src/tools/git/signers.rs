//! Whose signatures of commits a person takes, as git's own configuration says.

use std::path::PathBuf;

use anyhow::Result;

use super::Git;

impl Git {
    /// Whose ssh signatures of commits a person takes, by name: those of `gpg.ssh.allowedSignersFile`, and the key that
    /// they sign with themselves. A key that cannot be read is none.
    ///
    /// # Errors
    /// If git's configuration cannot be read.
    pub async fn commit_signers(&self) -> Result<Vec<(String, String)>> {
        let file = self
            .setting(&["--type=path", "gpg.ssh.allowedSignersFile"])
            .await?;
        let text = file.and_then(|file| std::fs::read_to_string(file).ok());
        let mut signers = allowed_signers(&text.unwrap_or_default());
        if self.setting(&["gpg.format"]).await?.as_deref() == Some("ssh") {
            let key = self.setting(&["--type=path", "user.signingKey"]).await?;
            let own = key.and_then(|key| public_key(&key));
            if let Some(own) = own.filter(|own| signers.iter().all(|(_, key)| key != own)) {
                signers.push(("you".to_owned(), own));
            }
        }
        Ok(signers)
    }
}

/// Type and key of what `user.signingKey` names: the key itself, its file, or that of its private half.
fn public_key(named: &str) -> Option<String> {
    let literal = named.strip_prefix("key::").unwrap_or(named);
    let text = if is_key_type(literal) {
        literal.to_owned()
    } else {
        let beside = PathBuf::from(format!("{named}.pub"));
        let read = std::fs::read_to_string(beside).or_else(|_| std::fs::read_to_string(named));
        read.ok()?
    };
    let mut words = text.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    is_key_type(kind).then(|| format!("{kind} {key}"))
}

fn is_key_type(text: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"]
        .iter()
        .any(|kind| text.starts_with(kind))
}

/// A line each: who, options, type and key. An authority is nobody's own key.
fn allowed_signers(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        let words: Vec<&str> = line.split_whitespace().collect();
        let kind = words.iter().skip(1).position(|word| is_key_type(word));
        let (Some(who), Some(kind)) = (words.first(), kind.map(|at| at + 1)) else {
            continue;
        };
        let is_authority = words[1..kind]
            .iter()
            .any(|it| it.contains("cert-authority"));
        let Some(key) = words.get(kind + 1).filter(|_| !is_authority) else {
            continue;
        };
        let key = format!("{} {key}", words[kind]);
        if all.iter().any(|(_, known)| *known == key) {
            continue;
        }
        let name = name(who);
        let same = all
            .iter()
            .filter(|(known, _)| known.starts_with(&name))
            .count();
        all.push(match same {
            0 => (name, key),
            // A person with several keys.
            others => (format!("{name}-{}", others + 1), key),
        });
    }
    all
}

/// The first of several, in letters that a signer's configuration takes.
fn name(who: &str) -> String {
    let first = who.trim_matches('"').split(',').next().unwrap_or(who);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    first
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_counts_once_and_authorities_do_not() {
        let text = "# x\nann@example.org ssh-ed25519 AAAA ann\n\
                    ann@example.org namespaces=\"git\" ssh-ed25519 BBBB\n\
                    bob,rob ssh-ed25519 CCCC\nbob ssh-ed25519 CCCC\n*.example.org cert-authority ssh-ed25519 DDDD\nnothing\n";
        let found: Vec<String> = allowed_signers(text)
            .into_iter()
            .map(|(name, key)| format!("{name}: {key}"))
            .collect();
        let expected = [
            "ann@example.org: ssh-ed25519 AAAA",
            "ann@example.org-2: ssh-ed25519 BBBB",
            "bob: ssh-ed25519 CCCC",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_signing_key_is_a_file_or_itself() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("id");
        std::fs::write(&file, "-----BEGIN OPENSSH PRIVATE KEY-----").unwrap();
        let named = file.display().to_string();
        assert_eq!(public_key(&named), None);
        std::fs::write(file.with_extension("pub"), "ssh-ed25519 AAAA me\n").unwrap();
        let key = Some("ssh-ed25519 AAAA".to_owned());
        for way in [
            &named,
            &format!("{named}.pub"),
            "key::ssh-ed25519 AAAA me",
            "ssh-ed25519 AAAA",
        ] {
            assert_eq!(public_key(way), key, "{way}");
        }
    }
}
