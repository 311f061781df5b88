//! Keys that a test makes for itself, and a fleet whose secrets are encrypted to them with the real sops.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::prelude::{Engine, BASE64_STANDARD};
use bech32::{Bech32, Hrp};
use sha2::{Digest, Sha512};
use tempfile::TempDir;

use crate::fleet::{downstream, Fleet};
use crate::support::{skip, Nix};

/// The sops that `cargo xtask test` provisions, else the one on PATH; none is a skip.
pub fn sops() -> Option<PathBuf> {
    let provided = std::env::var_os("SLIPWAY_TEST_SOPS").map(PathBuf::from);
    let found = provided.or_else(|| which::which("sops").ok());
    if found.is_none() {
        skip("no sops: neither SLIPWAY_TEST_SOPS nor one on PATH");
    }
    found
}

/// An ssh key of ssh-keygen's, without a passphrase.
pub struct Key {
    pub file: PathBuf,
    /// Without a comment.
    pub public: String,
}

impl Key {
    fn new(dir: &Path, name: &str) -> Self {
        let file = dir.join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
            .arg(&file)
            .status();
        assert!(made.unwrap().success());
        let line = std::fs::read_to_string(file.with_extension("pub")).unwrap();
        let words: Vec<&str> = line.split_whitespace().take(2).collect();
        Self {
            file,
            public: words.join(" "),
        }
    }

    /// The age key that sops-nix makes of it, as `ssh-to-age -private-key` does: an X25519 key is the first half of the
    /// hash of an ed25519 one's seed.
    pub fn age(&self) -> String {
        let text = std::fs::read_to_string(&self.file).unwrap();
        let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
        let blob = BASE64_STANDARD.decode(body).unwrap();
        let key = self.public.split(' ').nth(1).unwrap();
        let point = BASE64_STANDARD.decode(key).unwrap()[19..].to_vec();
        // The private half is the seed with the public one behind it.
        let at = blob
            .windows(32)
            .rposition(|window| window == point)
            .unwrap();
        let scalar = &Sha512::digest(&blob[at - 32..at])[..32];
        bech32::encode::<Bech32>(Hrp::parse("age-secret-key-").unwrap(), scalar)
            .unwrap()
            .to_uppercase()
    }
}

/// Two hosts with secrets: Web has a file of its own, and shares another one with Mail.
pub struct Secrets {
    pub fleet: Fleet,
    pub sops: PathBuf,
    pub web: Key,
    pub mail: Key,
    pub ann: Key,
    pub bob: Key,
    pub ci: Key,
    /// Deploys a host that has no secrets.
    pub old: Key,
    _keys: TempDir,
    home: TempDir,
}

pub const WEB: &str = "hosts/Web/secrets.yaml";
pub const SHARED: &str = "secrets/shared.json";

impl Secrets {
    /// As the fleet says it; no file is there yet.
    pub fn stated() -> Option<Self> {
        let sops = sops()?;
        let keys = tempfile::tempdir().unwrap();
        let key = |name| Key::new(keys.path(), name);
        let secrets = Self {
            fleet: downstream(),
            sops,
            web: key("web"),
            mail: key("mail"),
            ann: key("ann"),
            bob: key("bob"),
            ci: key("ci"),
            old: key("old"),
            _keys: keys,
            home: tempfile::tempdir().unwrap(),
        };
        secrets.state(&[("ann", &secrets.ann)]);
        Some(secrets)
    }

    /// With both files encrypted and committed.
    pub fn encrypted(nix: &Nix) -> Option<Self> {
        let secrets = Self::stated()?;
        secrets.xtask(nix, "rekey");
        secrets.encrypt(WEB, "db:\n  password: hunter2\n# swordfish\n", &[]);
        secrets.encrypt(SHARED, "{\"token\": \"tr0ub4dor\"}\n", &[]);
        secrets.fleet.commit();
        Some(secrets)
    }

    /// Writes the hosts, with these operators.
    pub fn state(&self, operators: &[(&str, &Key)]) {
        let web = self.host("10.0.0.1", &self.web, operators, WEB_USES);
        self.fleet.write("hosts/Web/default.nix", &web);
        let mail = self.host("10.0.0.2", &self.mail, operators, MAIL_USES);
        self.fleet.write("hosts/Mail/default.nix", &mail);
        self.fleet.commit();
    }

    pub fn host(&self, address: &str, key: &Key, operators: &[(&str, &Key)], uses: &str) -> String {
        let operators: String = operators
            .iter()
            .map(|(name, key)| format!("{name} = \"{} {name}\"; ", key.public))
            .collect();
        format!(
            "{{\n  homelab.deploy = {{ targetHost = \"{address}\"; hostKeys = [ \"ssh-rsa AAAA\" \"{} root@host\" ]; }};\n  \
             homelab.users.operator.keys = {{ {operators}}};\n  \
             homelab.users.deploy.keys.ci = \"{}\";\n{uses}}}\n",
            key.public,
            self.ci.public
        )
    }

    /// A new file, encrypted to whom `.sops.yaml` says, or with these arguments.
    pub fn encrypt(&self, file: &str, plain: &str, args: &[&str]) {
        let given = self.home.path().join("plain");
        std::fs::write(&given, plain).unwrap();
        let output = self
            .sops_as(None, &["encrypt", "--filename-override", file])
            .args(args)
            .arg(&given)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        self.fleet
            .write(file, &String::from_utf8(output.stdout).unwrap());
    }

    /// sops in the fleet's folder, with the key of somebody and with no other.
    pub fn sops_as(&self, key: Option<&Key>, args: &[&str]) -> Command {
        let mut command = Command::new(&self.sops);
        self.as_somebody(&mut command, key);
        command.current_dir(self.fleet.path()).args(args);
        command
    }

    fn as_somebody(&self, command: &mut Command, key: Option<&Key>) {
        command.env("HOME", self.home.path());
        command.env_remove("XDG_CONFIG_HOME");
        if let Some(key) = key {
            command.env("SOPS_AGE_SSH_PRIVATE_KEY_FILE", &key.file);
        }
    }

    /// Whether an operator can read a file with the key as it is.
    pub fn opens(&self, key: &Key, file: &str) -> bool {
        let output = self
            .sops_as(Some(key), &["decrypt", file])
            .output()
            .unwrap();
        output.status.success()
    }

    /// What a host reads, with its key as sops-nix has it; none if it cannot.
    pub fn decrypted_by_host(&self, key: &Key, file: &str) -> Option<String> {
        let output = self
            .sops_as(None, &["decrypt", file])
            .env("SOPS_AGE_KEY", key.age())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then_some(text)
    }

    /// `xtask secrets VERB`, as ann.
    pub fn xtask(&self, nix: &Nix, verb: &str) -> Output {
        self.xtask_as(nix, &self.ann, &["secrets", verb])
            .output()
            .unwrap()
    }

    pub fn xtask_as(&self, nix: &Nix, key: &Key, args: &[&str]) -> Command {
        let mut command = self.fleet.command(nix, args);
        self.as_somebody(&mut command, Some(key));
        let path = std::env::var("PATH").unwrap();
        let bin = self.sops.parent().unwrap();
        let own = self.fleet.cache().join("test-bin");
        command.env(
            "PATH",
            format!("{}:{}:{path}", own.display(), bin.display()),
        );
        command
    }
}

const WEB_USES: &str = "  homelab.secrets.file = ./secrets.yaml;\n  \
    sops.secrets.\"db/password\" = { };\n  \
    sops.secrets.token = { sopsFile = ../../secrets/shared.json; format = \"json\"; };\n";
pub const MAIL_USES: &str =
    "  sops.secrets.token = { sopsFile = ../../secrets/shared.json; format = \"json\"; };\n";
