//! The place of one run: the checkout, the jobs' environment, the files that act reads.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::given;
use crate::cache_dir::CacheDir;
use crate::process::folders::Folder;
use crate::process::Command;
use crate::tools::nix::Nix;

/// Held while the run goes on; its folder goes at the end of xtask.
pub struct Ground {
    folder: Folder,
}

/// What of our own environment a job may see: how the network is reached, and how the machine's Nix is configured.
const PASSED_ON: [&str; 18] = [
    "LANG",
    "LC_ALL",
    "USER",
    "LOGNAME",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "NIX_SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "NIX_REMOTE",
    "NIX_CONF_DIR",
    "LOCALE_ARCHIVE",
    "CARGO_HTTP_CAINFO",
    "CARGO_HTTP_PROXY",
];

/// act 0.2.89 does not wait for the last output of a step that fails, and that is what a person wants to read. bash reads
/// this first, in a step's own shell alone: before it fails it fills the terminal with more than the kernel holds, and what
/// was written before has been read by then. The line feed ends a last line that has none. It goes when act waits (its
/// `host_environment.go`, after `cmd.Run`).
const READ_OUT: &str = r#"unset BASH_ENV
case $0 in
  */act/workflow/*) trap 'slipway_status=$?; [ "$slipway_status" = 0 ] || { printf "\n%65536s" "" >/dev/tty; } 2>/dev/null || :; exit "$slipway_status"' EXIT ;;
esac
"#;

impl Ground {
    /// # Errors
    /// If the cache cannot be written.
    pub fn lay_out(cache: &CacheDir) -> Result<Self> {
        let folder = Folder::create(&cache.ci_local().join("runs"))?;
        for name in ["home", "tmp", "state"] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        Ok(Self { folder })
    }

    pub fn source(&self) -> PathBuf {
        self.place("source")
    }

    /// Something of this run, which goes with it.
    pub fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The cache of all jobs, of this and of later runs.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn jobs_cache(&self, cache: &CacheDir) -> Result<PathBuf> {
        let jobs_cache = cache.ci_local().join("cache");
        link_tools(cache, &jobs_cache)?;
        Ok(jobs_cache)
    }

    /// Writes a file that only we read.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.path().join(name);
        let write = || {
            let mut options = std::fs::File::options();
            let mut file = options
                .create(true)
                .truncate(true)
                .write(true)
                .mode(0o600)
                .open(&path)?;
            file.write_all(text.as_bytes())
        };
        write().with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// # Errors
    /// As of `write`.
    pub fn write_values(&self, name: &str, values: &BTreeMap<String, String>) -> Result<PathBuf> {
        self.write(name, &given::file(values))
    }

    /// The whole environment of act, which hands it to the jobs: a home and a state of the run's own, caches that local runs
    /// share with each other and with nobody else, the tools that are installed for us.
    ///
    /// # Errors
    /// If the cache cannot be written.
    pub fn environment(
        &self,
        command: Command,
        cache: &CacheDir,
        nix: Option<&Nix>,
    ) -> Result<Command> {
        let own = |name: &str| self.place(name);
        let kept = cache.ci_local();
        let jobs_cache = self.jobs_cache(cache)?;
        let mut settings = "extra-experimental-features = nix-command flakes\n".to_owned();
        settings.push_str(&nix.map(Nix::settings).unwrap_or_default());
        let mut command = command
            .env("HOME", own("home"))
            .env("TMPDIR", own("tmp"))
            .env("SLIPWAY_STATE", own("state"))
            .env("SLIPWAY_CACHE", jobs_cache)
            .env("CARGO_TARGET_DIR", kept.join("target"))
            .env("NIX_CONFIG", settings)
            .env("BASH_ENV", self.write("bash-env", READ_OUT)?)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        for (name, value) in passed_on(|name| std::env::var_os(name)) {
            command = command.env(name, value);
        }
        Ok(match nix {
            Some(nix) => nix.for_children(command),
            None => command,
        })
    }
}

fn passed_on(environment: impl Fn(&str) -> Option<OsString>) -> Vec<(&'static str, OsString)> {
    let mut all: Vec<(&str, OsString)> = PASSED_ON
        .into_iter()
        .filter_map(|name| Some((name, environment(name)?)))
        .collect();
    // With another HOME they would not be found: tools and the registry's settings, nothing that a job writes its results to.
    for (name, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
        let at_home = || {
            let path = PathBuf::from(environment("HOME")?).join(folder);
            path.is_dir().then(|| path.into_os_string())
        };
        all.extend(environment(name).or_else(at_home).map(|it| (name, it)));
    }
    all
}

/// Jobs find the tools that were installed for us, and keep nothing else where we do.
fn link_tools(cache: &CacheDir, jobs_cache: &Path) -> Result<()> {
    let link = jobs_cache.join("tools");
    if link.symlink_metadata().is_ok() {
        return Ok(());
    }
    std::fs::create_dir_all(cache.tools())
        .and_then(|()| std::fs::create_dir_all(jobs_cache))
        .and_then(|()| std::os::unix::fs::symlink(cache.tools(), &link))
        .with_context(|| format!("cannot create {}", link.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_nobodys_business_stays_here() {
        let here = |name: &str| {
            [
                "LANG",
                "https_proxy",
                "AWS_SECRET_ACCESS_KEY",
                "SSH_AUTH_SOCK",
                "SLIPWAY_FLAKE",
            ]
            .contains(&name)
            .then(|| OsString::from("x"))
        };
        let names: Vec<&str> = passed_on(here).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["LANG", "https_proxy"]);
    }
}
