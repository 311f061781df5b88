//! docs/runbook.md followed by a script: from the keys of a new fleet to the first deployment, on a machine that is what
//! the Template's image makes of one. Part of `cargo xtask test machines`.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod fleet;
mod support;

use support::repository;

const CHAPTER: &str = "## A fresh host";
/// The address that the runbook's host has.
const ADDRESS: &str = "192.168.0.40";

/// What stands in code blocks of the chapter, in its order.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    /// Typed on the machine of whoever deploys.
    Here(String),
    /// Typed by root on the new host.
    There(String),
    /// Nix that a file is to have.
    Nix(String),
}

/// The chapter's commands and Nix, up to the next heading of any depth.
fn chapter(text: &str) -> Vec<Said> {
    let lines = text.lines().skip_while(|line| *line != CHAPTER).skip(1);
    let mut said = Vec::new();
    let mut block: Option<(&str, Vec<&str>)> = None;
    for line in lines.take_while(|line| !line.starts_with('#')) {
        let line = line.trim();
        match (line.strip_prefix("```"), block.take()) {
            (Some(language), None) => block = Some((language, Vec::new())),
            (Some(_), Some((language, lines))) => said.extend(of_block(language, &lines)),
            (None, Some((language, mut lines))) => {
                lines.push(line);
                block = Some((language, lines));
            }
            (None, None) => (),
        }
    }
    said
}

fn of_block(language: &str, lines: &[&str]) -> Vec<Said> {
    if language == "nix" {
        return vec![Said::Nix(lines.join("\n"))];
    }
    let typed = |line: &&str| {
        let here = line.strip_prefix("$ ").map(|it| Said::Here(it.to_owned()));
        here.or_else(|| line.strip_prefix("# ").map(|it| Said::There(it.to_owned())))
    };
    // What is neither is what the commands print.
    lines.iter().filter_map(typed).collect()
}

/// What the script does with a line.
#[derive(Debug, PartialEq, Eq)]
enum Act {
    Run(String),
    /// The same, once what the chapter says to write into hosts/site.nix is there.
    RunWithKeys(String),
    /// The public half of the key that signs closures is printed.
    NoteSigner(String),
    /// The image needs nixpkgs, and a disk to write it to: a machine is started that has what the image has in it.
    StartMachine,
    /// Whatever stands for it was done with the line before.
    Leave,
    /// On the machine.
    NoteHostKey(String),
    /// A host's file, whose first line names it.
    Write(String),
}

/// None: the chapter says something that the script does not know.
fn act(said: &Said) -> Option<Act> {
    let begins = |line: &str, with: &[&str]| with.iter().any(|it| line.starts_with(it));
    match said {
        Said::Here(line) if begins(line, &["nix build .#nixosConfigurations.Template."]) => {
            Some(Act::StartMachine)
        }
        Said::Here(line) if begins(line, &["sudo dd if=result/"]) => Some(Act::Leave),
        // Nobody is there to be asked.
        Said::Here(line) if begins(line, &["ssh-keygen -t ed25519 -f "]) => {
            Some(Act::Run(format!("{line} -q -N ''")))
        }
        Said::Here(line) if line.ends_with("cargo xtask deploy Attic") => {
            Some(Act::Run(format!("{line} --yes")))
        }
        Said::Here(line) if begins(line, &["nix key convert-secret-to-public"]) => {
            Some(Act::NoteSigner(line.clone()))
        }
        Said::Here(line) if line == "git commit --all --message 'Our keys'" => {
            Some(Act::RunWithKeys(line.clone()))
        }
        Said::Here(line) if begins(line, &["cargo xtask ", "git ", "umask ", "nix key "]) => {
            Some(Act::Run(line.replace(ADDRESS, "127.0.0.1")))
        }
        Said::There(line) if line == "cat /etc/ssh/ssh_host_ed25519_key.pub" => {
            Some(Act::NoteHostKey(line.clone()))
        }
        Said::Nix(text) if text.starts_with("# hosts/") => Some(Act::Write(text.clone())),
        _ => None,
    }
}

fn acts() -> Vec<Act> {
    let text = std::fs::read_to_string(repository().join("docs/runbook.md")).unwrap();
    let said = chapter(&text);
    let known = |said: &Said| act(said).unwrap_or_else(|| panic!("no script for {said:?}"));
    said.iter().map(known).collect()
}

#[test]
fn the_script_knows_every_line_of_the_chapter() {
    let acts = acts();
    let runs = |wanted: &str| {
        let has = |act: &&Act| matches!(act, Act::Run(line) if line.contains(wanted));
        acts.iter().filter(has).count()
    };
    for wanted in [
        "hosts add",
        "build-all",
        "deploy --plan",
        "deploy Attic",
        "status",
    ] {
        assert_eq!(runs(wanted), 1, "{wanted}: {acts:#?}");
    }
    assert_eq!(
        acts.iter().filter(|it| **it == Act::StartMachine).count(),
        1
    );
}

/// Played by `cargo xtask test machines`.
mod with_a_machine {
    use std::os::unix::fs::PermissionsExt;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};

    use super::fleet::Fleet;
    use super::support::{self, nix, skip, transcript, Nix};
    use super::*;

    /// Where the script sits: a clone of the fleet, a home, and the programs that a person has.
    struct Desk {
        fleet: Fleet,
        home: tempfile::TempDir,
        nix: Nix,
        deploy_rs: PathBuf,
    }

    impl Drop for Desk {
        fn drop(&mut self) {
            // Also where the script failed half-way.
            self.shell("cargo xtask vm stop");
        }
    }

    impl Desk {
        fn at(fleet: Fleet, nix: Nix, deploy_rs: PathBuf, tools: &Path, machines: &Path) -> Self {
            let home = tempfile::tempdir().unwrap();
            let desk = Self {
                fleet,
                home,
                nix,
                deploy_rs,
            };
            for folder in ["bin", ".ssh"] {
                std::fs::create_dir(desk.home().join(folder)).unwrap();
            }
            let own = format!(
                "if [ \"$1\" = xtask ]; then shift; exec {} \"$@\"; fi\nHOME={} exec {} \"$@\"",
                env!("CARGO_BIN_EXE_xtask"),
                std::env::var("HOME").unwrap(),
                env!("CARGO")
            );
            // ssh asks /etc/passwd for the home.
            let ssh = format!(
                "exec /usr/bin/ssh -oIdentitiesOnly=yes -i {} \"$@\"",
                desk.home().join(".ssh/id_ed25519").display()
            );
            for (name, script) in [("cargo", own), ("ssh", ssh)] {
                let file = desk.home().join("bin").join(name);
                std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
                std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            let cache = desk.fleet.cache();
            std::os::unix::fs::symlink(tools.parent().unwrap(), cache.join("tools")).unwrap();
            // Images alone: a machine called Template may be somebody's.
            for folder in ["images", "packages"] {
                std::fs::create_dir_all(machines.join(folder)).unwrap();
                std::fs::create_dir_all(cache.join("machines")).unwrap();
                let link = cache.join("machines").join(folder);
                std::os::unix::fs::symlink(machines.join(folder), link).unwrap();
            }
            desk
        }

        fn home(&self) -> &Path {
            self.home.path()
        }

        /// A line of the runbook, typed into a shell in the clone.
        fn shell(&self, line: &str) -> Output {
            let path = std::env::var("PATH").unwrap();
            let programs = [&self.nix.program, &self.deploy_rs].map(|it| it.parent().unwrap());
            let mut folders = vec![self.home().join("bin")];
            folders.extend(programs.map(Path::to_owned));
            folders.extend(std::env::split_paths(&path));
            let xtask = support::xtask(self.fleet.cache());
            let mut command = Command::new("/usr/bin/setsid");
            for (name, value) in xtask.get_envs() {
                match value {
                    Some(value) => command.env(name, value),
                    None => command.env_remove(name),
                };
            }
            // A terminal would be asked for passphrases.
            command
                .args(["--wait", "/bin/bash", "-euc", line])
                .current_dir(self.fleet.path())
                .env("HOME", self.home())
                .env("PATH", std::env::join_paths(folders).unwrap())
                .env("SLIPWAY_STAGE", "rehearsal")
                // What a rehearsed host runs is compiled, here as often as the sources change.
                .env("CARGO_TARGET_DIR", env!("CARGO_TARGET_TMPDIR"))
                .env("NIX_CONFIG", "experimental-features = nix-command flakes")
                .envs(["AUTHOR", "COMMITTER"].map(|who| (format!("GIT_{who}_NAME"), "you")))
                .envs(
                    ["AUTHOR", "COMMITTER"]
                        .map(|who| (format!("GIT_{who}_EMAIL"), "you@example.org")),
                )
                .stdin(Stdio::null())
                .output()
                .unwrap()
        }

        fn expect(&self, line: &str) -> String {
            println!("$ {line}");
            let output = self.shell(line);
            assert_eq!(
                output.status.code(),
                Some(0),
                "{line}\n{}",
                transcript(&output)
            );
            String::from_utf8(output.stdout).unwrap()
        }
    }

    /// What `vm start` says of a machine.
    struct Machine {
        /// Of 127.0.0.1, and its port 22.
        port: String,
        logs: PathBuf,
    }

    impl Machine {
        fn read(said: &str) -> Self {
            let found = |before: &str, after: &str| {
                let line = said
                    .lines()
                    .find(|it| it.contains(before) && it.ends_with(after));
                let line = line.unwrap_or_else(|| panic!("{said} says nothing of {before}{after}"));
                let rest = line.split_once(before).unwrap().1;
                rest.strip_suffix(after).unwrap().trim().to_owned()
            };
            Self {
                port: found("127.0.0.1:", " is its 22"),
                logs: found("  logs     ", "").into(),
            }
        }

        /// All that its console showed.
        fn console(&self) -> String {
            let files = std::fs::read_dir(&self.logs).unwrap();
            let texts = files.map(|file| std::fs::read(file.unwrap().path()).unwrap_or_default());
            texts
                .map(|it| String::from_utf8_lossy(&it).into_owned())
                .collect()
        }
    }

    /// As the chapter says: each of the example's keys makes room for one's own.
    fn fill_in(desk: &Desk, signer: &str) {
        let public = |name: &str| {
            let text = std::fs::read_to_string(desk.home().join(".ssh").join(name)).unwrap();
            text.trim().to_owned()
        };
        let (deploy, operator) = (public("id_ed25519.pub"), public("operator.pub"));
        let text = desk.fleet.read("hosts/site.nix");
        let own = text.lines().map(|line| {
            let key = match line.split_once('"') {
                Some((_, quoted)) if quoted.starts_with("replace-me.example-1:") => signer,
                Some((_, quoted)) if quoted.contains("replace-me@operator.") => &operator,
                Some((_, quoted)) if quoted.contains("replace-me@") => &deploy,
                _ => return line.to_owned(),
            };
            let (before, quoted) = line.split_once('"').unwrap();
            let (_, after) = quoted.rsplit_once('"').unwrap();
            format!("{before}\"{key}\"{after}")
        });
        let text: String = own.map(|line| line + "\n").collect();
        assert!(!text.contains("replace-me"), "{text}");
        desk.fleet.write("hosts/site.nix", &text);
    }

    #[test]
    fn a_fresh_host_is_deployed_by_the_runbooks_own_commands() {
        let Some(nix) = nix() else { return };
        let provided = |name: &str| std::env::var_os(name).map(PathBuf::from);
        let (Some(tools), Some(machines)) = (provided("HARNESS_TOOLS"), provided("HARNESS_CACHE"))
        else {
            skip("no guests here: HARNESS_TOOLS and HARNESS_CACHE are not set");
            return;
        };
        let Some(deploy_rs) = provided("SLIPWAY_TEST_DEPLOY_RS") else {
            skip("no deploy-rs: SLIPWAY_TEST_DEPLOY_RS is not set");
            return;
        };
        let Some(fleet) = Fleet::of_this_repository() else {
            return;
        };
        let desk = Desk::at(fleet, nix, deploy_rs, &tools, &machines);
        let (mut signer, mut host_key, mut machine) = (None, None, None);
        for act in acts() {
            match act {
                Act::Run(line) => drop(desk.expect(&line)),
                Act::RunWithKeys(line) => {
                    fill_in(&desk, signer.as_deref().unwrap());
                    desk.expect(&line);
                }
                Act::NoteSigner(line) => signer = Some(desk.expect(&line).trim().to_owned()),
                Act::StartMachine => {
                    let started = desk.expect("cargo xtask vm start Template --fresh 2>&1");
                    machine = Some(Machine::read(&started));
                }
                Act::Leave => (),
                Act::NoteHostKey(line) => {
                    let key =
                        desk.expect(&format!("cargo xtask vm shell Template -- 'sudo {line}'"));
                    let key = key.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
                    // Whoever has no way in but the screen reads it there; the machine may have come out of a snapshot.
                    desk.expect(
                        "cargo xtask vm shell Template -- 'sudo systemctl restart image-console'",
                    );
                    let console = machine.as_ref().unwrap().console();
                    assert!(
                        console.contains(&key),
                        "{key} is not on the console: {console}"
                    );
                    host_key = Some(key);
                }
                Act::Write(text) => {
                    let file = text
                        .lines()
                        .next()
                        .unwrap()
                        .trim_start_matches("# ")
                        .to_owned();
                    let port = &machine.as_ref().unwrap().port;
                    let target = format!("targetHost = \"{ADDRESS}\";");
                    let here =
                        format!("targetHost = \"127.0.0.1\";\nsshOpts = [ \"-p\" \"{port}\" ];");
                    assert!(
                        text.contains(&target) && text.contains("ssh-ed25519 AAAA…"),
                        "{text}"
                    );
                    let text = text.replace(&target, &here);
                    let key = host_key.as_deref().unwrap();
                    desk.fleet
                        .write(&file, &text.replace("ssh-ed25519 AAAA…", key));
                }
            }
        }
        let built: serde_json::Value =
            serde_json::from_str(&desk.expect("cargo xtask build-all Attic --json -")).unwrap();
        let port = machine.unwrap().port;
        let on_host = |command: &str| {
            let ssh = format!(
                "ssh -p {port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
            );
            desk.expect(&format!("{ssh} deploy@127.0.0.1 {command}"))
        };
        assert_eq!(on_host("hostname"), "Attic\n");
        let runs = on_host("readlink -f /run/current-system");
        assert_eq!(built["hosts"][0]["toplevel"], runs.trim());
    }
}
