//! What is wrong with each file, told from its text and the plan. Pure.

use super::encrypted::{Encrypted, Unread};
use super::finding::{of_file, of_host, Fault, Finding, REKEY};
use super::plan::{Plan, Readers, Wanted};
use super::recipients::Recipient;

/// What was found on the disk of a file that a host uses.
#[derive(Debug)]
pub enum Found {
    Nothing,
    Untracked,
    Text(String),
}

/// What is wrong with a file that hosts use, or name as theirs.
pub fn used(plan: &Plan, file: &str, wanted: &Wanted, found: &Found) -> Vec<Finding> {
    let text = match found {
        Found::Nothing => return nothing(file, wanted),
        Found::Untracked => {
            let message = "git does not know it, so that Nix does not see it".to_owned();
            let cure = format!("git add {file}");
            return vec![of_file(file, Fault::Untracked, message, &cure)];
        }
        Found::Text(text) => text,
    };
    let odd = wanted
        .uses
        .iter()
        .find(|(_, _, place)| !readable(&place.format));
    if let Some((host, secret, place)) = odd {
        let message = format!(
            "{host} takes {secret} from it as {}, where what is encrypted cannot be told",
            place.format
        );
        let cure = "sops.secrets.NAME.format = \"yaml\", \"json\" or \"binary\"";
        return vec![of_file(file, Fault::Unreadable, message, cure)];
    }
    let encrypted = match Encrypted::parse(text) {
        Ok(encrypted) => encrypted,
        Err(why) => return vec![unread(file, &why)],
    };
    let mut findings = of_encrypted(plan, file, &encrypted, &wanted.readers);
    for (host, secret, place) in &wanted.uses {
        let key = match place.format.as_str() {
            "binary" => "data",
            _ => place.key.as_str(),
        };
        // Without a key it is the file as a whole.
        if !key.is_empty() && !encrypted.has(key) {
            let message = format!("its secret {secret} is not in {file}: no value at `{key}`");
            let cure = format!("sops {file}, or sops.secrets.{secret}.key");
            findings.push(of_host(host, Fault::NoSecret, message, &cure));
        }
    }
    findings
}

fn readable(format: &str) -> bool {
    matches!(format, "yaml" | "json" | "binary")
}

/// A host's own file need not be there before it has a secret in it.
fn nothing(file: &str, wanted: &Wanted) -> Vec<Finding> {
    let uses = wanted.uses.iter();
    uses.map(|(host, secret, _)| {
        let message = format!("its secret {secret} comes from {file}, which is not there");
        of_host(host, Fault::NoFile, message, &format!("sops {file}"))
    })
    .collect()
}

/// What is wrong with an encrypted file that no host uses; nothing if sops did not write it.
pub fn unused(plan: &Plan, file: &str, text: &str) -> Vec<Finding> {
    match Encrypted::parse(text) {
        Ok(encrypted) => of_encrypted(plan, file, &encrypted, &plan.operators),
        Err(_) => Vec::new(),
    }
}

/// What is wrong with who can read a file that was encrypted a moment ago.
pub fn readers(plan: &Plan, file: &str, text: &str, readers: &Readers) -> Vec<Finding> {
    let mut findings = match Encrypted::parse(text) {
        Ok(encrypted) => of_encrypted(plan, file, &encrypted, readers),
        Err(why) => return vec![unread(file, &why)],
    };
    findings.retain(|finding| finding.fault.is_mended_by_rekey());
    findings
}

fn of_encrypted(plan: &Plan, file: &str, encrypted: &Encrypted, readers: &Readers) -> Vec<Finding> {
    let finding = |fault, message| of_file(file, fault, message, REKEY);
    let mut findings = Vec::new();
    let entries = &encrypted.entries;
    for (owner, key) in readers {
        let own: Vec<_> = entries
            .iter()
            .filter(|entry| entry.recipient == key.as_str())
            .collect();
        if own.is_empty() {
            let message = format!("it is not encrypted to {owner}");
            findings.push(finding(Fault::MissingRecipient, message));
        } else if own.len() > 1 {
            // sops itself takes the two for one.
            let message = format!("it has more than one entry for {owner}: one may be another's");
            let cure = format!(
                "sops decrypt {file} | sops encrypt --filename-override {file} /dev/stdin > new, and that in its place"
            );
            findings.push(of_file(file, Fault::DoubleRecipient, message, &cure));
        } else if own[0].stanzas != [key.stanza()] {
            let message =
                format!("what it has for {owner} is encrypted to something else, or to more");
            findings.push(finding(Fault::FalseRecipient, message));
        }
    }
    for entry in entries {
        let wanted = |(_, key): &(_, Recipient)| key.as_str() == entry.recipient;
        if !readers.iter().any(wanted) {
            let message = format!("it is encrypted to {}", plan.owner(&entry.recipient));
            findings.push(finding(Fault::ForeignRecipient, message));
        }
    }
    for way in &encrypted.other_ways {
        let message = format!("it is encrypted to more than age recipients: {way}");
        findings.push(finding(Fault::OtherWay, message));
    }
    for place in &encrypted.plain {
        let message = format!("{place} stands in it in plain text");
        // sops opens no file with a plain value in it.
        let cure = format!(
            "git checkout HEAD -- {file}, then sops {file}; with another value if it was ever committed"
        );
        findings.push(of_file(file, Fault::PlainValue, message, &cure));
    }
    findings
}

fn unread(file: &str, why: &Unread) -> Finding {
    match why {
        Unread::NotEncrypted => of_file(
            file,
            Fault::NotEncrypted,
            "it is not encrypted".to_owned(),
            &format!("sops encrypt --in-place {file}, with other values if it was ever committed"),
        ),
        Unread::Unreadable(error) => of_file(
            file,
            Fault::Unreadable,
            format!("it is neither YAML nor JSON: {error}"),
            &format!("git log -p -- {file}"),
        ),
    }
}

/// What is wrong with `.sops.yaml`, or with its absence.
pub fn rules(plan: &Plan, found: Option<&str>) -> Option<Finding> {
    let wanted = plan.rules()?;
    (found != Some(wanted.as_str())).then(|| {
        let message = match found {
            None => "it is not there, and sops would not know to whom it encrypts",
            Some(_) => "it is not what the fleet says",
        };
        of_file(RULES, Fault::StaleRules, message.to_owned(), REKEY)
    })
}

pub const RULES: &str = ".sops.yaml";

/// The kind of private key that is anywhere in a tracked file, within quotes and behind names too; none if there is none.
pub fn private_key(text: &str) -> Option<&'static str> {
    let after = |mark: &'static str| {
        text.match_indices(mark)
            .map(move |(at, _)| (&text[..at], &text[at + mark.len()..]))
    };
    let armored = |(before, body): (&str, &str)| {
        let line = before.rsplit('\n').next().unwrap_or_default();
        // Of a text in JSON or Nix the lines end with `\n`, spelt out.
        let body = body.trim_start_matches(|c: char| c.is_whitespace() || "\\nr".contains(c));
        line.contains("-----BEGIN ") && leading(body, is_base64) >= 32
    };
    if after("PRIVATE KEY-----").any(armored) {
        return Some("a private key");
    }
    let is_alphanumeric = |c: char| c.is_ascii_alphanumeric();
    if after("AGE-SECRET-KEY-1").any(|(_, rest)| leading(rest, is_alphanumeric) == 58) {
        return Some("an age key");
    }
    let words = text.split(|c: char| c.is_whitespace() || "\"'`,;(){}[]".contains(c));
    let signs = |word: &str| {
        word.rsplit_once(':').is_some_and(|(name, key)| {
            !name.is_empty() && key.len() == 88 && key.ends_with("==") && key.chars().all(is_base64)
        })
    };
    words
        .into_iter()
        .any(signs)
        .then_some("a key that signs store paths")
}

fn is_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || "+/=".contains(c)
}

/// How many characters at the begin of a text are such.
fn leading(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.chars().take_while(|c| is(*c)).count()
}

/// A private key that git tracks.
pub fn tracked_key(file: &str, kind: &str) -> Finding {
    let message = format!("{kind} stands in it, and everybody can read it in the store");
    let cure = "git rm it, and put another key in the place of this one everywhere";
    of_file(file, Fault::PrivateKey, message, cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_keys_are_told_from_public_ones_and_from_words_about_them() {
        let body = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE";
        let ssh = format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{body}\n");
        assert_eq!(private_key(&ssh), Some("a private key"));
        let age = format!("# made\nAGE-SECRET-KEY-1{}\n", "Q".repeat(58));
        assert_eq!(private_key(&age), Some("an age key"));
        let nix = format!("fleet-1:{}==\n", "A".repeat(86));
        assert_eq!(private_key(&nix), Some("a key that signs store paths"));
        for wrapped in [
            format!("age_key: AGE-SECRET-KEY-1{}\n", "Q".repeat(58)),
            format!("{{ k = \"AGE-SECRET-KEY-1{}\"; }}", "Q".repeat(58)),
            format!("{{\"key\": \"-----BEGIN OPENSSH PRIVATE KEY-----\\n{body}\\n\"}}"),
            format!("nix: \"fleet-1:{}==\"\n", "A".repeat(86)),
        ] {
            assert!(private_key(&wrapped).is_some(), "{wrapped}");
        }
        for harmless in [
            "-----BEGIN OPENSSH PRIVATE KEY-----\nand so on\n".to_owned(),
            format!("-----BEGIN PUBLIC KEY-----\n{body}\n"),
            "AGE-SECRET-KEY-1…\n".to_owned(),
            format!("fleet-1:{}=\n", "A".repeat(43)),
        ] {
            assert_eq!(private_key(&harmless), None, "{harmless}");
        }
    }
}
