//! `vm` from outside: machines that outlive the command that started them, ways into them, and their end.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A test that unwraps fails where it should.

mod schema;
mod support;

use std::path::Path;
use std::process::{Command, Output};

use support::repository;

/// This program, with a cache of the test's own.
fn vm(cache: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["--no-setup", "--plain", "vm"])
        .args(args)
        .current_dir(repository())
        .env("SLIPWAY_CACHE", cache)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The machines there are, as the schema says.
fn list(cache: &Path) -> serde_json::Value {
    let output = vm(cache, &["list", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(schema::complaints("vm-list", &document), [""; 0]);
    document["machines"].clone()
}

#[test]
fn a_name_that_is_nobodys_is_a_slip_of_the_person() {
    let cache = tempfile::tempdir().unwrap();
    for (args, error) in [
        (&["shell", "Niko"][..], "error: Niko does not run\ntry: cargo xtask vm start Niko\n"),
        (&["console", "Niko"], "error: Niko does not run\ntry: cargo xtask vm start Niko\n"),
        (&["stop", "Niko"], "error: no machine Niko runs\ntry: cargo xtask vm list: no machine runs\n"),
        (
            &["shell", "boot/Niko"],
            "error: no machine boot/Niko was kept\n\
             try: cargo xtask vm-test --keep-failed boot, which keeps the machines of a play that fails\n",
        ),
    ] {
        let output = vm(cache.path(), args);
        assert_eq!(said(&output), error, "{args:?}");
        assert_eq!(output.status.code(), Some(2), "{args:?}");
    }
}

#[test]
fn where_nothing_runs_there_is_nothing_to_list_and_to_stop() {
    let cache = tempfile::tempdir().unwrap();
    assert_eq!(list(cache.path()), serde_json::json!([]));
    let stopped = vm(cache.path(), &["stop"]);
    assert_eq!(said(&stopped), "no machine runs\n");
    assert_eq!(stopped.status.code(), Some(0));
    let collected = vm(cache.path(), &["gc"]);
    assert!(printed(&collected).starts_with("removed 0 things, 0 B"));
}

/// Played by `cargo xtask test machines`.
mod with_a_machine {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use harness::{Harness, Options, Origin, Progress, Recipe, Spec, Tools, Wanted};

    use super::*;

    /// A cache with the tools and images of the one that all tests share.
    struct Cache(tempfile::TempDir);

    impl Cache {
        fn machines(&self) -> PathBuf {
            self.0.path().join("machines")
        }
    }

    impl Drop for Cache {
        fn drop(&mut self) {
            vm(self.0.path(), &["stop"]);
        }
    }

    /// Keeps a frozen machine as `looked-at/web` in a cache that has nothing else; none without tools.
    fn kept() -> Option<Cache> {
        let Some(tools) = std::env::var_os("HARNESS_TOOLS").map(PathBuf::from) else {
            println!("skip: no guests here: HARNESS_TOOLS is not set");
            return None;
        };
        let shared = std::env::var_os("HARNESS_CACHE")
            .map_or_else(|| std::env::temp_dir().join("harness-tests"), PathBuf::from);
        let open = |cache: &Path| {
            let options = Options {
                tools: Tools::debian(&tools),
                cache: cache.to_owned(),
                accelerator: Wanted::Auto,
                timeout_scale: 1.0,
                progress: Progress::silent(),
            };
            Harness::open(options).unwrap()
        };
        let recipe = Recipe::debian_13().packages(["nginx-light"]);
        let image = open(&shared).image(&recipe).unwrap();
        let folder = image.disk().parent().unwrap().to_owned();

        let cache = Cache(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(cache.machines().join("images")).unwrap();
        let link = cache.machines().join("images").join(image.hash());
        std::os::unix::fs::symlink(&folder, link).unwrap();
        std::fs::create_dir(cache.0.path().join("tools")).unwrap();
        let prefix = cache.0.path().join("tools/vm-trixie");
        std::os::unix::fs::symlink(&tools, prefix).unwrap();

        let harness = open(&cache.machines());
        let image = harness.image(&recipe).unwrap();
        let logs = cache.0.path().join("logs");
        let run = harness.run("looked-at", &logs).unwrap();
        let machine = run.start(&image, Spec::new("web"), Origin::Cold).unwrap();
        machine.shell("echo precious >/run/in-memory").unwrap();
        let notes = BTreeMap::from([("generation".to_owned(), "good".to_owned())]);
        machine.keep("looked-at", &notes).unwrap();
        Some(cache)
    }

    fn run_there(cache: &Cache, command: &str) -> Output {
        vm(cache.0.path(), &["shell", "looked-at/web", "--", command])
    }

    #[test]
    fn a_kept_machine_is_listed_looked_at_and_stopped() {
        let Some(cache) = kept() else { return };
        let there = list(cache.0.path());
        assert_eq!(there[0]["name"], "looked-at/web");
        assert_eq!(there[0]["condition"], "frozen");
        assert_eq!(there[0]["generation"], "good");

        // By ssh; the command's output and exit code are those of the machine.
        let output = run_there(&cache, "cat /run/in-memory; exit 7");
        assert_eq!(printed(&output), "precious\n", "{}", said(&output));
        assert_eq!(output.status.code(), Some(7));
        let there = list(cache.0.path());
        assert_eq!(there[0]["condition"], "running");
        assert!(there[0]["memoryBytes"].as_u64().unwrap() < 700 << 20);

        // A way in is left when sshd is dead.
        let output = run_there(
            &cache,
            "rm /run/in-memory; systemctl stop ssh.socket ssh.service",
        );
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let output = run_there(&cache, "hostname; test -e /run/in-memory");
        assert_eq!(printed(&output), "web\n");
        assert!(said(&output).contains("): over the guest agent, as root"));
        assert_eq!(output.status.code(), Some(1));

        let stopped = vm(cache.0.path(), &["stop", "looked-at/web"]);
        assert_eq!(
            said(&stopped),
            "looked-at/web is off; what was kept is as it was\n"
        );
        assert_eq!(list(cache.0.path())[0]["condition"], "frozen");
        // What was done to the copy is gone with it.
        let output = run_there(&cache, "cat /run/in-memory");
        assert_eq!(printed(&output), "precious\n");

        // Its holder is killed, and nothing of the machine is left.
        let pid = list(cache.0.path())[0]["pid"].as_i64().unwrap();
        let runs = cache.machines().join("runs");
        let qemu = qemu_below(&runs).expect("its QEMU runs");
        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while qemu.exists() || std::fs::read_dir(&runs).unwrap().next().is_some() {
            assert!(
                Instant::now() < deadline,
                "something of the machine is left"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(list(cache.0.path())[0]["condition"], "frozen");

        // Last of all, what nobody uses goes.
        let collected = printed(&vm(cache.0.path(), &["gc", "--limit", "0"]));
        assert!(collected.contains("kept/looked-at+web\n"), "{collected}");
        assert_eq!(list(cache.0.path()), serde_json::json!([]));
    }

    /// Where the kernel tells of the QEMU whose disk is below this folder.
    fn qemu_below(runs: &Path) -> Option<PathBuf> {
        let wanted = runs.to_string_lossy().into_owned();
        std::fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .find(|process| {
                let name = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
                let line = std::fs::read(process.join("cmdline")).unwrap_or_default();
                name.starts_with("qemu") && String::from_utf8_lossy(&line).contains(&wanted)
            })
    }
}
