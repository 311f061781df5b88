//! What a rehearsed host makes of its secrets: the snippets of its real activation, with the real sops, in a mount namespace
//! that has a `/run` and a host key of its own.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod keys;
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use keys::{Key, Secrets, SHARED, WEB};
use support::{nix, skip, transcript, Nix};

/// Files below /run and their modes, after a host's activation has done what it does about secrets, once for each of these
/// toplevels.
const ACTIVATE: &str = r#"
set -e
mount -t tmpfs -o mode=755 none /run
mount -t tmpfs none /etc/ssh
cp "$1" /etc/ssh/ssh_host_ed25519_key
shift
for toplevel; do
  grep -E "^(rm|if|perl) .*(/run/secrets|secrets[.]pl)" "$toplevel/activate" >/run/snippets || true
  sh -e /run/snippets
  rm /run/snippets
done
find -L /run -type f -printf '%p %m %U\n' -exec cat {} ';' -printf '\n' | sed 's,/run/secrets[.]d/[0-9]*,D,'
"#;

fn as_host(secrets: &Secrets, key: &Key, toplevels: &[PathBuf]) -> Result<String, String> {
    let path = std::env::var("PATH").unwrap();
    let sops = secrets.sops.parent().unwrap().display();
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-c", ACTIVATE, "activate"])
        .arg(&key.file)
        .args(toplevels)
        .env("PATH", format!("{sops}:{path}"))
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn toplevel(secrets: &Secrets, nix: &Nix, host: &str, link: &str) -> PathBuf {
    let links = secrets.fleet.cache().join(link);
    let args = ["build-all", host, "--out-links", links.to_str().unwrap()];
    let built = secrets.xtask_as(nix, &secrets.ann, &args).output().unwrap();
    assert!(built.status.success(), "{}", transcript(&built));
    std::fs::canonicalize(links.join(host)).unwrap()
}

fn has_namespaces() -> bool {
    let tried = Command::new("unshare").args(["--mount", "true"]).status();
    let has = tried.is_ok_and(|status| status.success()) && Path::new("/etc/ssh").is_dir();
    if !has {
        skip("no mount namespaces: not root, or in a container that has none");
    }
    has
}

#[test]
fn a_secret_reaches_its_host_alone_and_is_gone_when_it_is_no_longer_named() {
    let (Some(nix), true) = (nix(), has_namespaces()) else {
        return;
    };
    let Some(secrets) = Secrets::encrypted(&nix) else {
        return;
    };
    let both = toplevel(&secrets, &nix, "Web", "both");
    let found = as_host(&secrets, &secrets.web, std::slice::from_ref(&both)).unwrap();
    let mut lines: Vec<&str> = found.lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(
        lines,
        [
            "/run/secrets/db/password 400 0",
            "/run/secrets/token 400 0",
            "D/db/password 400 0",
            "D/token 400 0",
            "hunter2",
            "tr0ub4dor",
        ]
    );
    // It is encrypted to nobody else, whoever they are.
    for other in [&secrets.mail, &secrets.ci, &secrets.bob] {
        let told = as_host(&secrets, other, std::slice::from_ref(&both)).unwrap_err();
        assert!(
            told.contains("none of this machine's keys opens it"),
            "{told}"
        );
    }
    // What is shared reaches both.
    let mail = toplevel(&secrets, &nix, "Mail", "mail");
    let of_mail = as_host(&secrets, &secrets.mail, &[mail]).unwrap();
    assert!(
        of_mail.contains("tr0ub4dor") && !of_mail.contains("hunter2"),
        "{of_mail}"
    );

    // One that was damaged on its way changes nothing.
    let good = secrets.fleet.read(SHARED);
    let (before, after) = good.split_once("\"mac\": \"ENC[AES256_GCM,data:").unwrap();
    let damaged = format!("{before}\"mac\": \"ENC[AES256_GCM,data:AAAA{after}");
    secrets.fleet.write(SHARED, &damaged);
    secrets.fleet.commit();
    let broken = toplevel(&secrets, &nix, "Web", "broken");
    assert!(as_host(&secrets, &secrets.web, &[both.clone(), broken]).is_err());
    secrets.fleet.write(SHARED, &good);

    let file = "hosts/Web/default.nix";
    let uses = secrets.fleet.read(file);
    let without = |name: &str, text: &str| {
        let lines = text.lines().filter(|line| !line.contains(name));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    let fewer = without("sops.secrets.token", &uses);
    secrets.fleet.write(file, &fewer);
    secrets.fleet.commit();
    let one = toplevel(&secrets, &nix, "Web", "one");
    let left = as_host(&secrets, &secrets.web, &[both.clone(), one.clone()]).unwrap();
    assert!(
        left.contains("hunter2") && !left.contains("tr0ub4dor"),
        "{left}"
    );

    // After the last one nobody else would take it away before the next boot.
    secrets.fleet.write(file, &without("sops.secrets", &fewer));
    secrets.fleet.commit();
    let none = toplevel(&secrets, &nix, "Web", "none");
    let left = as_host(&secrets, &secrets.web, &[both, one, none]).unwrap();
    assert_eq!(left, "");
    assert!(secrets.fleet.read(WEB).contains("ENC["));
}
