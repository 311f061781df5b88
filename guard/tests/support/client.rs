//! What a client of the host can do: over ssh, with one of the keys, as deploy-rs and as the guard's own clients.

use std::io::Write;
use std::process::{Child, Command, Stdio};

use guard::answer::{Done, History, HostState, Outcome, Status};
use guard::refusal::{Code, Refusal};
use guard::release::{ActionKind, Release, SignedRelease};
use guard::store_path::StorePath;

use super::host::Host;
use super::{releases, PLACE};

/// What a command over ssh came to.
#[derive(Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn refused(&self) -> Option<Code> {
        if self.code != Some(guard::refusal::EXIT_CODE) {
            return None;
        }
        Refusal::find(&self.stderr).map(|refusal| refusal.code)
    }

    #[track_caller]
    pub fn good(self) -> String {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self.stdout
    }

    #[track_caller]
    pub fn is_refused(&self, code: Code) {
        assert_eq!(self.refused(), Some(code), "{self:#?}");
    }
}

impl Host {
    pub fn ssh_command(&self, key: &str, command: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "none",
            "-p",
            "2222",
            "-i",
            &format!("{PLACE}/keys/{key}"),
        ])
        .args([
            "-oStrictHostKeyChecking=no",
            "-oUserKnownHostsFile=/dev/null",
            "-oLogLevel=ERROR",
        ])
        .args([
            "-oBatchMode=yes",
            "-oIdentitiesOnly=yes",
            "deploy@127.0.0.1",
        ])
        .arg(command);
        ssh
    }

    pub fn ssh(&self, key: &str, command: &str) -> Answer {
        self.ssh_with(key, command, "")
    }

    pub fn ssh_with(&self, key: &str, command: &str, input: &str) -> Answer {
        answer(self.ssh_command(key, command), input)
    }

    pub fn accept(&self, signed: &SignedRelease) -> Answer {
        self.ssh_with("ci", "accept-release", &signed.to_wire().unwrap())
    }

    /// Makes, signs and hands over a release of one closure.
    pub fn release(&self, counter: u64, name: &str, kind: ActionKind) -> Release {
        let release = releases::release(self, counter, name, kind);
        self.accept(&releases::sign(&release)).good();
        release
    }

    /// Word for word what deploy-rs sends.
    pub fn activate_line(&self, name: &str, flags: &str) -> String {
        let profile = self.profile(name);
        format!(
            "sudo -u root {profile}/activate-rs activate '{profile}' --profile-user root --profile-name system \
             --temp-path '/tmp' --confirm-timeout 4 --magic-rollback --auto-rollback{flags}"
        )
    }

    pub fn activate(&self, name: &str, flags: &str) -> Answer {
        self.ssh("ci", &self.activate_line(name, flags))
    }

    pub fn confirm(&self, key: &str, name: &str) -> Answer {
        let hash = self.profile(name).hash().to_owned();
        self.ssh(
            key,
            &format!("sudo -u root rm /tmp/deploy-rs-canary-{hash}"),
        )
    }

    pub fn wait_line(&self, name: &str) -> String {
        let profile = self.profile(name);
        format!("sudo -u root {profile}/activate-rs wait '{profile}' --temp-path '/tmp' --activation-timeout 30")
    }

    pub fn wait(&self, name: &str) -> Answer {
        self.ssh("ci", &self.wait_line(name))
    }

    /// As deploy-rs does it: activate and wait at once, then confirm. Answers of all three.
    pub fn deploy(&self, name: &str) -> [Answer; 3] {
        let activate = spawn(self.ssh_command("ci", &self.activate_line(name, "")));
        let waited = self.wait(name);
        let confirmed = self.confirm("ci", name);
        [finish(activate), waited, confirmed]
    }

    pub fn deploys(&self, name: &str) {
        for answer in self.deploy(name) {
            answer.good();
        }
    }

    pub fn status(&self) -> Status {
        serde_json::from_str(&self.ssh("ci", "status").good()).unwrap()
    }

    pub fn done(&self, answer: Answer) -> Done {
        serde_json::from_str(&answer.good()).unwrap()
    }

    pub fn outcome(&self) -> Outcome {
        let last = self.status().last_activation.unwrap();
        last.ended.unwrap().outcome
    }

    pub fn history(&self) -> History {
        serde_json::from_str(&self.ssh("ci", "history").good()).unwrap()
    }

    /// What runs, boots by default and is the profile, by its name.
    pub fn is(&self) -> [String; 3] {
        let name = |path: Option<StorePath>| {
            path.map_or_else(|| "?".to_owned(), |path| self.name_of(&path))
        };
        let status = self.status();
        [status.running, status.boot_default, status.profile].map(name)
    }

    fn name_of(&self, path: &StorePath) -> String {
        path.name()
            .trim_start_matches("nixos-system-Niko-")
            .to_owned()
    }

    pub fn is_idle(&self) -> bool {
        self.status().state == HostState::Idle
    }
}

pub fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub fn finish(child: Child) -> Answer {
    let output = child.wait_with_output().unwrap();
    Answer {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

pub fn answer(command: Command, input: &str) -> Answer {
    let mut child = spawn(command);
    // Whoever refuses does not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    finish(child)
}
