//! `cargo xtask cache` with a real binary cache: `nix copy` exports it, and a server on this machine hands it out.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod binary_cache;
mod fleet;
mod schema;
mod support;

use std::net::TcpListener;

use binary_cache::{key, Key, Server};
use fleet::{document, downstream, with_filters, Fleet};
use support::{nix, transcript, Nix};
use tempfile::TempDir;

/// A fleet whose host Web uses a cache, and Base none; and what Web is to run, which is built.
struct Scene {
    nix: Nix,
    fleet: Fleet,
    cache: Server,
    fleet_key: Key,
    other_key: Key,
    web: String,
    _keys: TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let nix = nix()?;
        let (fleet, cache) = (downstream(), Server::start());
        let keys = tempfile::tempdir().unwrap();
        let fleet_key = key(&nix, keys.path(), "fleet-1");
        // The same name, and another key.
        std::fs::create_dir(keys.path().join("other")).unwrap();
        let other_key = key(&nix, &keys.path().join("other"), "fleet-1");
        let host = format!(
            "{{\n  homelab.deploy.targetHost = \"10.0.0.1\";\n  \
             homelab.nixCache = {{ enable = true; url = \"{}\"; publicKeys = [ \"{}\" ]; }};\n  \
             environment.etc.motd.text = \"{}\";\n}}\n",
            cache.url,
            fleet_key.public,
            // Nothing of another run's is in the way.
            cache.dir.path().display()
        );
        fleet.write("hosts/Web/default.nix", &host);
        fleet.commit();
        let links = fleet.cache().join("links");
        let args = ["build-all", "Web", "--out-links", links.to_str().unwrap()];
        let built = fleet.xtask(&nix, &args);
        assert!(built.status.success(), "{}", transcript(&built));
        let web = std::fs::read_link(links.join("Web")).unwrap();
        Some(Self {
            web: web.to_str().unwrap().to_owned(),
            nix,
            fleet,
            cache,
            fleet_key,
            other_key,
            _keys: keys,
        })
    }

    /// Exports Web's closure, in the place of what was there, signed by this key or by none.
    fn export(&self, signer: Option<&Key>) {
        let dir = self.cache.dir.path();
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            removed.unwrap();
        }
        let sign = signer.map_or(String::new(), |key| {
            format!("&secret-key={}", key.secret.display())
        });
        let store = format!("file://{}?compression=zstd{sign}", dir.display());
        let copied = self
            .nix
            .command()
            .args(["copy", "--to", &store, &self.web])
            .output()
            .unwrap();
        assert!(copied.status.success(), "{copied:?}");
    }

    /// The faults that `cache verify --json` tells.
    fn faults(&self) -> Vec<String> {
        let output = self.fleet.xtask(&self.nix, &["cache", "verify", "--json"]);
        let told = document(&output);
        assert_eq!(schema::complaints("cache-verify", &told), [""; 0]);
        let closures = told["closures"].as_array().unwrap();
        assert_eq!(closures.len(), 1, "{told}");
        let mut faults: Vec<String> = closures[0]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["fault"].as_str().unwrap().to_owned())
            .collect();
        faults.dedup();
        assert_eq!(told["passed"], faults.is_empty());
        let code = if faults.is_empty() { 0 } else { 1 };
        assert_eq!(output.status.code(), Some(code), "{}", transcript(&output));
        faults
    }

    fn text(&self, args: &[&str]) -> String {
        transcript(&self.fleet.xtask(&self.nix, args))
    }
}

#[test]
fn the_key_is_what_hosts_have() {
    let Some(scene) = Scene::new() else { return };
    let told = scene.fleet.xtask(&scene.nix, &["cache", "key"]);
    assert!(told.status.success(), "{}", transcript(&told));
    let printed = String::from_utf8(told.stdout).unwrap();
    assert_eq!(printed, format!("{}\n", scene.fleet_key.public));

    let refused = scene.text(&["cache", "verify", "Base"]);
    scene.fleet.write(
        "hosts/Web/default.nix",
        "{ homelab.deploy.enable = false; }\n",
    );
    let nobody = scene.text(&["cache", "key"]);
    insta::assert_snapshot!(format!("{refused}\n{nobody}"));
}

#[test]
fn what_a_host_would_refuse_is_told() {
    let Some(scene) = Scene::new() else { return };
    scene.export(Some(&scene.fleet_key));
    assert_eq!(scene.faults(), [""; 0]);
    let mut all = scene.text(&["cache", "verify"]);

    scene.export(None);
    assert_eq!(scene.faults(), ["untrusted"]);
    scene.export(Some(&scene.other_key));
    assert_eq!(scene.faults(), ["untrusted"]);

    // One path of the closure, and not the one at its top.
    scene.export(Some(&scene.fleet_key));
    let mut requisites = scene.nix.command();
    requisites.args(["path-info", "--recursive", &scene.web]);
    let requisites = String::from_utf8(requisites.output().unwrap().stdout).unwrap();
    let below = requisites
        .lines()
        .find(|path| path.ends_with("-etc"))
        .unwrap();
    let narinfo = scene.cache.narinfo(below);
    let text = std::fs::read_to_string(&narinfo).unwrap();
    let unsigned: String = text
        .lines()
        .filter(|line| !line.starts_with("Sig:"))
        .map(|line| format!("{line}\n"))
        .collect();
    std::fs::write(&narinfo, unsigned).unwrap();
    assert_eq!(scene.faults(), ["untrusted"]);
    all.push_str(&format!(
        "\n## one path is unsigned\n{}",
        scene.text(&["cache", "verify", "Web"])
    ));
    // A signature over other references.
    let poisoned: String = text
        .lines()
        .map(|line| match line.starts_with("References: ") {
            true => "References: \n".to_owned(),
            false => format!("{line}\n"),
        })
        .collect();
    assert_ne!(poisoned, text);
    std::fs::write(&narinfo, poisoned).unwrap();
    assert_eq!(scene.faults(), ["untrusted"]);

    scene.export(Some(&scene.fleet_key));
    for nar in scene.cache.nars() {
        std::fs::write(nar, "garbage").unwrap();
    }
    assert_eq!(scene.faults(), ["spoiled"]);
    for nar in scene.cache.nars() {
        std::fs::remove_file(nar).unwrap();
    }
    assert_eq!(scene.faults(), ["spoiled"]);

    scene.export(Some(&scene.fleet_key));
    std::fs::remove_file(scene.cache.narinfo(below)).unwrap();
    assert_eq!(scene.faults(), ["missing"]);
    all.push_str(&format!(
        "\n## one path is missing\n{}",
        scene.text(&["cache", "verify"])
    ));
    let mut filters = scene.fleet.filters();
    filters.push((regex::escape(&scene.cache.url), "[CACHE]".to_owned()));
    filters.push((
        "; https://cache.nixos.org gives no answer".to_owned(),
        String::new(),
    ));
    filters.push((r" +\d+ +0   ".to_owned(), " [N] 0 ".to_owned()));
    with_filters(&filters, || insta::assert_snapshot!(all));
}

#[test]
fn a_cache_that_is_down_is_told_from_one_that_lacks_paths() {
    let Some(scene) = Scene::new() else { return };
    scene.export(Some(&scene.fleet_key));
    let host = scene.fleet.read("hosts/Web/default.nix");
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    scene.fleet.write(
        "hosts/Web/default.nix",
        &host.replace(&scene.cache.url, &format!("http://{free}")),
    );
    // Of what nobody can be asked for, nobody says that it is missing.
    assert_eq!(scene.faults(), ["unreachable"]);
}

#[test]
fn a_host_that_does_not_answer_is_told_and_no_pass() {
    let Some(scene) = Scene::new() else { return };
    scene.export(Some(&scene.fleet_key));
    let host = scene.fleet.read("hosts/Web/default.nix");
    scene.fleet.write(
        "hosts/Web/default.nix",
        &host.replace("10.0.0.1", "127.0.0.1"),
    );
    let options = "homelab.deploy.sshOpts = [ \"-p\" \"1\" ];\n  homelab.nixCache";
    let host = scene.fleet.read("hosts/Web/default.nix");
    scene.fleet.write(
        "hosts/Web/default.nix",
        &host.replacen("homelab.nixCache", options, 1),
    );
    let output = scene
        .fleet
        .xtask(&scene.nix, &["cache", "verify", "--running"]);
    assert_eq!(output.status.code(), Some(1), "{}", transcript(&output));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("Web does not answer"), "{stderr}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("as it should be"));
}

#[test]
fn the_rehearsal_stage_asks_no_real_cache() {
    let Some(scene) = Scene::new() else { return };
    let host = scene.fleet.read("hosts/Web/default.nix");
    // Reserved for documents: nothing answers there.
    let elsewhere = host.replacen(&scene.cache.url, "http://192.0.2.1", 1);
    scene.fleet.write("hosts/Web/default.nix", &elsewhere);
    let output = scene.fleet.xtask(&scene.nix, &["cache", "verify"]);
    assert_eq!(output.status.code(), Some(2), "{}", transcript(&output));
    let told = "nothing is verified: the rehearsal stage asks no host but this machine, and the fleet's cache is http://192.0.2.1";
    assert!(
        transcript(&output).contains(told),
        "{}",
        transcript(&output)
    );
}
