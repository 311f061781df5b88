//! `cargo xtask secrets` with real sops and keys of real ssh-keygen: who can read what, and that each fault is seen.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod keys;
mod processes;
mod schema;
mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use fleet::{document, with_filters};
use keys::{Secrets, MAIL_USES, SHARED, WEB};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;
use processes::{processes, wait_for};
use support::{nix, transcript, Nix};

/// The faults that `secrets check --json` tells, `subject: fault`, in a fixed order.
fn faults(secrets: &Secrets, nix: &Nix) -> Vec<String> {
    let args = ["secrets", "check", "--json"];
    let output = secrets.xtask_as(nix, &secrets.ann, &args).output().unwrap();
    let told = document(&output);
    assert_eq!(schema::complaints("secrets", &told), [""; 0]);
    let findings = told["findings"].as_array().unwrap();
    assert_eq!(told["passed"], findings.is_empty());
    let code = if findings.is_empty() { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
    let word = |finding: &serde_json::Value, name: &str| finding[name].as_str().unwrap().to_owned();
    let mut all: Vec<String> = findings
        .iter()
        .map(|it| format!("{}: {}", word(it, "subject"), word(it, "fault")))
        .collect();
    all.sort();
    all
}

/// What differs from run to run.
fn filters(secrets: &Secrets) -> Vec<(String, String)> {
    let mut filters = secrets.fleet.filters();
    for (pattern, replacement) in [
        (r"age1[0-9a-z]{58}", "age1[KEY]"),
        (r"age1…[0-9a-z]{8}", "age1…[KEY]"),
        (r"ssh-ed25519 AAAA\S+", "ssh-ed25519 [KEY]"),
        (r"ssh-ed25519 …\S{8}", "ssh-ed25519 …[KEY]"),
        (r"(?m)^setup: .*\n", ""),
    ] {
        filters.push((pattern.to_owned(), replacement.to_owned()));
    }
    filters
}

#[test]
fn from_a_stated_host_to_a_secret_that_only_it_can_read() {
    let Some(nix) = nix() else { return };
    let Some(secrets) = Secrets::stated() else {
        return;
    };
    let mut all = String::new();
    let mut say = |title: &str, verb: &str| {
        let output = secrets.xtask(&nix, verb);
        all.push_str(&format!("## {title}\n{}\n", transcript(&output)));
    };
    say("nothing is there", "check");
    say("the rules are written", "rekey");
    secrets.encrypt(WEB, "db:\n  password: hunter2\n", &[]);
    secrets.encrypt(SHARED, "{\"token\": \"tr0ub4dor\"}\n", &[]);
    say("git does not know the files", "check");
    secrets.fleet.commit();
    say("all is well", "check");
    say("nothing is left to do", "rekey");
    all.push_str(&secrets.fleet.read(".sops.yaml"));
    with_filters(&filters(&secrets), || insta::assert_snapshot!(all));

    let web = secrets.decrypted_by_host(&secrets.web, WEB).unwrap();
    assert_eq!(web, "db:\n    password: hunter2\n");
    assert!(secrets.decrypted_by_host(&secrets.web, SHARED).is_some());
    assert!(secrets.decrypted_by_host(&secrets.mail, SHARED).is_some());
    assert!(secrets.opens(&secrets.ann, WEB));
    assert_eq!(secrets.decrypted_by_host(&secrets.mail, WEB), None);
    assert!(!secrets.opens(&secrets.ci, WEB));
    assert_eq!(secrets.decrypted_by_host(&secrets.ci, WEB), None);
}

#[test]
fn each_fault_of_a_file_is_seen_and_what_rekey_can_mend_it_mends() {
    let Some(nix) = nix() else { return };
    let Some(secrets) = Secrets::encrypted(&nix) else {
        return;
    };
    assert_eq!(faults(&secrets, &nix), [""; 0]);
    let good = secrets.fleet.read(WEB);
    let plain = "db:\n  password: hunter2\n";
    let readers: Vec<String> = good
        .lines()
        .filter_map(|line| line.split_once("recipient: "))
        .map(|(_, key)| key.to_owned())
        .collect();
    assert_eq!(readers.len(), 2, "{good}");
    let all = readers.join(",");
    let secret = good
        .lines()
        .find(|line| line.contains("password:"))
        .unwrap();
    let with = |more: &str| {
        secrets.encrypt(WEB, plain, &["--age", &format!("{all},{more}")]);
        secrets.fleet.read(WEB)
    };
    let foreign = with(&secrets.bob.public);
    let for_ci = with(&secrets.ci.public);
    secrets.encrypt(WEB, plain, &["--age", &secrets.ann.public]);
    let missing = secrets.fleet.read(WEB);
    let ssh_form = {
        let keys = format!("{},{}", secrets.web.public, secrets.ann.public);
        secrets.encrypt(WEB, plain, &["--age", &keys]);
        secrets.fleet.read(WEB)
    };
    secrets.encrypt(WEB, "db:\n  other: hunter2\n", &[]);
    let no_secret = secrets.fleet.read(WEB);
    let swapped = good
        .replace(&readers[0], "FIRST")
        .replace(&readers[1], &readers[0])
        .replace("FIRST", &readers[1]);
    let pgp = "    pgp:\n        - created_at: \"2026-11-22T01:00:00Z\"\n          enc: x\n          fp: ABCD\n";
    let other_way = good.replace("sops:\n", &format!("sops:\n{pgp}"));
    // Which of the two is for whom, age does not say of a host's.
    let mark = "        - recipient: ";
    let (before, entries) = good.split_once(mark).unwrap();
    let first = entries.split(mark).next().unwrap();
    let twice = format!("{before}{mark}{first}{mark}{entries}");

    // What the file is, the faults, and whether rekey makes it good.
    let cases: [(&str, String, &[&str], bool); 11] = [
        ("missing", missing, &["missingRecipient"], true),
        ("foreign", foreign, &["foreignRecipient"], true),
        ("CI's key", for_ci, &["foreignRecipient"], true),
        (
            "a host's key in a form that it cannot use",
            ssh_form,
            &["foreignRecipient", "missingRecipient"],
            true,
        ),
        (
            "entries that name others",
            swapped,
            &["falseRecipient", "falseRecipient"],
            true,
        ),
        ("an entry twice", twice, &["doubleRecipient"], false),
        ("not age alone", other_way, &["otherWay"], true),
        ("plain text", plain.to_owned(), &["notEncrypted"], false),
        (
            "a plain value",
            good.replace(secret, "    password: hunter2"),
            &["plainValue"],
            false,
        ),
        (
            "a plain comment",
            good.replace("\nsops:", "\n# hunter2\nsops:"),
            &["plainValue"],
            false,
        ),
        ("no YAML", "a: [\n".to_owned(), &["unreadable"], false),
    ];
    let mut told = String::new();
    for (what, text, wanted, mended) in cases {
        secrets.fleet.write(WEB, &text);
        let wanted: Vec<String> = wanted.iter().map(|it| format!("{WEB}: {it}")).collect();
        assert_eq!(faults(&secrets, &nix), wanted, "{what}");
        let check = secrets.xtask(&nix, "check");
        let output = String::from_utf8(check.stdout).unwrap();
        let lines = output
            .lines()
            .filter(|line| !line.contains("──") && !line.contains("══"));
        let lines: Vec<&str> = lines.skip(3).collect();
        told.push_str(&format!("## {what}\n{}\n", lines.join("\n")));
        if mended {
            let rekeyed = secrets.xtask(&nix, "rekey");
            assert!(rekeyed.status.success(), "{what}: {}", transcript(&rekeyed));
            assert_eq!(faults(&secrets, &nix), [""; 0], "{what}");
            assert!(
                secrets.decrypted_by_host(&secrets.web, WEB).is_some(),
                "{what}"
            );
            assert!(secrets.opens(&secrets.ann, WEB), "{what}");
            assert!(!secrets.opens(&secrets.bob, WEB), "{what}");
            assert!(!secrets.opens(&secrets.ci, WEB), "{what}");
        }
    }
    secrets.fleet.write(WEB, &no_secret);
    assert_eq!(faults(&secrets, &nix), ["Web: noSecret"]);
    with_filters(&filters(&secrets), || insta::assert_snapshot!(told));
}

#[test]
fn each_fault_of_the_fleet_is_seen() {
    let Some(nix) = nix() else { return };
    let Some(secrets) = Secrets::encrypted(&nix) else {
        return;
    };
    let ann = [("ann", &secrets.ann)];
    // The files that no host uses are the operators': one that is still a former host's is seen.
    secrets.fleet.write(
        "hosts/Mail/default.nix",
        &secrets.host("10.0.0.2", &secrets.mail, &ann, ""),
    );
    secrets
        .fleet
        .write("secrets/old.yaml", &secrets.fleet.read(WEB));
    secrets.fleet.write(
        "old-key",
        &std::fs::read_to_string(&secrets.bob.file).unwrap(),
    );
    secrets.fleet.commit();
    let found = faults(&secrets, &nix);
    assert_eq!(
        found,
        [
            ".sops.yaml: staleRules",
            "old-key: privateKey",
            "secrets/old.yaml: foreignRecipient",
            "secrets/shared.json: foreignRecipient",
        ]
    );
    // The check that pull requests have to pass says so too.
    let row = |secrets: &Secrets| {
        let checked = secrets.xtask_as(&nix, &secrets.ann, &["check", "--json"]);
        let report = document(&{ checked }.output().unwrap());
        let rows = report["checks"].as_array().unwrap();
        rows.iter()
            .find(|row| row["name"] == "secrets")
            .unwrap()
            .clone()
    };
    let red = row(&secrets);
    assert_eq!(red["verdict"], "failed");
    for subject in [".sops.yaml: ", "old-key: ", "secrets/old.yaml: "] {
        assert!(red["detail"].as_str().unwrap().contains(subject), "{red}");
    }
    let rekeyed = secrets.xtask(&nix, "rekey");
    assert_eq!(rekeyed.status.code(), Some(1), "{}", transcript(&rekeyed));
    assert_eq!(faults(&secrets, &nix), ["old-key: privateKey"]);
    let detail = row(&secrets)["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("old-key: ") && !detail.contains(".sops.yaml"));
    assert_eq!(
        secrets.decrypted_by_host(&secrets.web, "secrets/old.yaml"),
        None
    );
    assert_eq!(secrets.decrypted_by_host(&secrets.mail, SHARED), None);
    assert!(secrets.opens(&secrets.ann, "secrets/old.yaml"));

    // What the hosts themselves say wrongly, each in one of its own.
    let keyless = secrets
        .host("10.0.0.3", &secrets.mail, &ann, MAIL_USES)
        .replace("hostKeys = [", "hostKeys = []; sshOpts = [");
    let bad = secrets
        .host("10.0.0.4", &secrets.mail, &ann, MAIL_USES)
        .replace(
            &format!("{} ann", secrets.ann.public),
            "sk-ssh-ed25519@openssh.com AAAA",
        );
    let deploys = secrets.host(
        "10.0.0.5",
        &secrets.mail,
        &[("eve", &secrets.ci)],
        MAIL_USES,
    );
    // Nor may what deploys hosts without secrets, or asks for releases, be an operator's.
    let no_secrets = format!(
        "{{\n  homelab.deploy.targetHost = \"10.0.0.9\";\n  homelab.users.deploy.keys.old = \"{} old\";\n  \
         homelab.builder = {{ enable = true; releases.enable = true; releases.keys.forge = \"{}\"; }};\n}}\n",
        secrets.old.public, secrets.bob.public
    );
    let forge = secrets.host(
        "10.0.0.10",
        &secrets.mail,
        &[("eve", &secrets.bob)],
        MAIL_USES,
    );
    let old = secrets.host(
        "10.0.0.11",
        &secrets.mail,
        &[("eve", &secrets.old)],
        MAIL_USES,
    );
    let nobody = secrets.host("10.0.0.6", &secrets.mail, &[], MAIL_USES);
    let outside =
        "  sops.secrets.token.sopsFile = \"/etc/token.yaml\";\n  sops.validateSopsFiles = false;\n";
    let outside = secrets.host("10.0.0.7", &secrets.mail, &ann, outside);
    let ini = "  sops.secrets.token = { sopsFile = ./a.ini; format = \"ini\"; };\n";
    let ini = secrets.host("10.0.0.8", &secrets.mail, &ann, ini);
    let hosts = [
        ("Bad", bad),
        ("Deploys", deploys),
        ("DeploysOther", old),
        ("HasNone", no_secrets),
        ("Ini", ini),
        ("Keyless", keyless),
        ("Nobody", nobody),
        ("Outside", outside),
        ("Releases", forge),
    ];
    for (name, text) in hosts {
        secrets
            .fleet
            .write(&format!("hosts/{name}/default.nix"), &text);
    }
    secrets.fleet.write("hosts/Ini/a.ini", "token=1\n");
    secrets.fleet.git(&["rm", "--quiet", "old-key"]);
    secrets.fleet.commit();
    let found = faults(&secrets, &nix);
    for wanted in [
        "Bad: badKey",
        "Deploys: operatorDeploys",
        "DeploysOther: operatorDeploys",
        "Keyless: noHostKey",
        "Nobody: noOperator",
        "Outside: outsideOfFleet",
        "Releases: operatorDeploys",
        "hosts/Ini/a.ini: unreadable",
    ] {
        assert!(found.iter().any(|it| it == wanted), "{wanted}: {found:?}");
    }
    let before = secrets.fleet.read(SHARED);
    let refused = secrets.xtask(&nix, "rekey");
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(secrets.fleet.read(SHARED), before);
    let check = secrets.xtask(&nix, "check");
    let told = format!("{}\n{}", transcript(&check), transcript(&refused));
    with_filters(&filters(&secrets), || insta::assert_snapshot!(told));
}

#[test]
fn who_went_can_read_nothing_of_the_new_files_with_anything_they_kept() {
    let Some(nix) = nix() else { return };
    let Some(secrets) = Secrets::encrypted(&nix) else {
        return;
    };
    let (ann, bob) = (("ann", &secrets.ann), ("bob", &secrets.bob));
    // bob comes, and ann lets him in.
    secrets.state(&[ann, bob]);
    assert!(!secrets.opens(&secrets.bob, WEB));
    assert!(secrets.xtask(&nix, "rekey").status.success());
    assert!(secrets.opens(&secrets.bob, WEB) && secrets.opens(&secrets.bob, SHARED));
    secrets.fleet.commit();
    let kept = secrets.fleet.read(WEB);

    // He goes, and so does the host Mail.
    secrets.state(&[ann]);
    secrets.fleet.git(&["rm", "-r", "--quiet", "hosts/Mail"]);
    secrets.fleet.commit();
    let stranger = secrets
        .xtask_as(&nix, &secrets.ci, &["secrets", "rekey"])
        .output()
        .unwrap();
    assert_eq!(stranger.status.code(), Some(1));
    assert_eq!(secrets.fleet.read(WEB), kept);
    with_filters(&filters(&secrets), || {
        insta::assert_snapshot!(transcript(&stranger));
    });
    assert!(secrets.xtask(&nix, "rekey").status.success());
    assert_eq!(faults(&secrets, &nix), [""; 0]);
    for file in [WEB, SHARED] {
        assert!(!secrets.opens(&secrets.bob, file), "{file}");
        assert!(secrets.opens(&secrets.ann, file), "{file}");
        assert!(
            secrets.decrypted_by_host(&secrets.web, file).is_some(),
            "{file}"
        );
        assert_eq!(
            secrets.decrypted_by_host(&secrets.mail, file),
            None,
            "{file}"
        );
    }

    // The key that he kept out of the old file opens none of the new values.
    let new = secrets.fleet.read(WEB);
    let (values, _) = new.split_once("\nsops:").unwrap();
    let (_, metadata) = kept.split_once("\nsops:").unwrap();
    let mixed = format!("{values}\nsops:{metadata}");
    secrets.fleet.write("mixed.yaml", &mixed);
    let tried = secrets
        .sops_as(
            Some(&secrets.bob),
            &["decrypt", "--ignore-mac", "mixed.yaml"],
        )
        .output()
        .unwrap();
    assert!(!tried.status.success(), "{tried:?}");
    assert!(!String::from_utf8_lossy(&tried.stdout).contains("hunter2"));
}

#[test]
fn an_interrupted_rekey_leaves_every_file_whole() {
    let Some(nix) = nix() else { return };
    for signal in [Signal::SIGINT, Signal::SIGKILL] {
        let Some(secrets) = Secrets::encrypted(&nix) else {
            return;
        };
        let files = [WEB, SHARED];
        let before = files.map(|file| secrets.fleet.read(file));
        secrets.state(&[("ann", &secrets.ann), ("bob", &secrets.bob)]);
        // The real one, after a while, so that there is time to interrupt it.
        let slow = secrets.fleet.cache().join("test-bin/sops");
        let text = format!(
            "#!/bin/sh\nsleep 1\nexec {} \"$@\"\n",
            secrets.sops.display()
        );
        std::fs::write(&slow, text).unwrap();
        std::fs::set_permissions(&slow, PermissionsExt::from_mode(0o755)).unwrap();
        let child = secrets
            .xtask_as(&nix, &secrets.ann, &["secrets", "rekey"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_for("first file", || secrets.fleet.read(WEB) != before[0]);
        let mut child = child;
        kill(Pid::from_raw(child.id().cast_signed()), signal).unwrap();
        let status = child.wait().unwrap();
        if signal == Signal::SIGINT {
            assert_eq!(status.code(), Some(130));
        }
        wait_for("end of sops", || {
            processes(slow.to_str().unwrap()).is_empty()
        });
        std::fs::remove_file(&slow).unwrap();

        assert_eq!(secrets.fleet.read(SHARED), before[1], "{signal}");
        assert!(secrets.opens(&secrets.bob, WEB) && !secrets.opens(&secrets.bob, SHARED));
        for file in files {
            assert!(secrets.opens(&secrets.ann, file), "{signal}: {file}");
            assert!(
                secrets.decrypted_by_host(&secrets.web, file).is_some(),
                "{signal}: {file}"
            );
        }
        let changed = secrets.fleet.git(&["status", "--porcelain"]);
        assert_eq!(changed, format!(" M .sops.yaml\n M {WEB}"), "{signal}");
        assert!(secrets.xtask(&nix, "rekey").status.success(), "{signal}");
        assert!(secrets.opens(&secrets.bob, SHARED), "{signal}");
    }
}

#[test]
fn what_is_built_holds_what_is_encrypted_and_nothing_else() {
    let Some(nix) = nix() else { return };
    let Some(secrets) = Secrets::encrypted(&nix) else {
        return;
    };
    let links = secrets.fleet.cache().join("links");
    let args = ["build-all", "Web", "--out-links", links.to_str().unwrap()];
    let built = secrets
        .xtask_as(&nix, &secrets.ann, &args)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", transcript(&built));
    let mut ask = nix.command();
    ask.args(["path-info", "--recursive"])
        .arg(links.join("Web"));
    let closure = String::from_utf8(ask.output().unwrap().stdout).unwrap();
    let paths: Vec<&str> = closure.lines().collect();
    let holds = |text: &str| {
        let found = Command::new("grep")
            .args(["--recursive", "--quiet", "--fixed-strings", text])
            .args(&paths)
            .status();
        found.unwrap().code() == Some(0)
    };
    assert!(
        paths.iter().any(|path| path.ends_with("-secrets.yaml")),
        "{closure}"
    );
    assert!(holds("ENC[AES256_GCM"));
    for secret in ["hunter2", "swordfish", "tr0ub4dor"] {
        assert!(!holds(secret), "{secret}");
    }
}
