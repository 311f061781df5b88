//! apt and dpkg: a private apt for packages that are unpacked, and the machine's own for what root installs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::process::Command;

/// Where packages come from, and the key that signs them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub mirror: String,
    pub suite: &'static str,
    pub keyring: PathBuf,
    /// As dpkg names it: `amd64`.
    pub arch: &'static str,
    /// Whether an expired index is refused.
    pub check_valid_until: bool,
}

/// An apt of its own below one folder: it sees no installed package and none of the machine's sources, and needs no
/// root. What the machine configures about the network (proxies, certificates) holds for it too.
#[derive(Debug)]
pub struct PrivateApt {
    dir: PathBuf,
}

impl PrivateApt {
    /// Writes the configuration; archives that an earlier run fetched stay.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn create(dir: &Path, repository: &Repository) -> Result<Self> {
        let write = |name: &str, text: &str| -> Result<()> {
            let path = dir.join(name);
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
        };
        for folder in [
            "state/lists/partial",
            "cache/archives/partial",
            "preferences.d",
        ] {
            let path = dir.join(folder);
            std::fs::create_dir_all(&path)
                .with_context(|| format!("cannot create {}", path.display()))?;
        }
        write("apt.conf", &configuration(dir, repository.arch))?;
        write("sources.list", &source_line(repository))?;
        // With no package installed, apt fetches the whole closure.
        write("status", "")?;
        Ok(Self {
            dir: dir.to_owned(),
        })
    }

    fn command(&self) -> Command {
        // Messages are read (`explain` below), so they come in English.
        Command::new("apt-get")
            .env("LC_ALL", "C")
            .arg("-c")
            .arg(self.dir.join("apt.conf"))
            // Status lines on stderr, where they are read while apt runs.
            .args(["-o", "APT::Status-Fd=2", "--quiet", "--yes"])
    }

    pub fn update(&self) -> Command {
        self.command().arg("update")
    }

    /// Says on stdout what a download would fetch: `archive_size` reads it.
    pub fn plan(&self, packages: &[&str]) -> Command {
        self.command()
            .args(["--print-uris", "install"])
            .args(packages)
    }

    pub fn download(&self, packages: &[&str]) -> Command {
        self.command()
            .args(["--download-only", "install"])
            .args(packages)
    }

    /// The package files that are there, in the order of their names.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn archives(&self) -> Result<Vec<PathBuf>> {
        let dir = self.dir.join("cache/archives");
        let entries =
            std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut archives = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                archives.push(path);
            }
        }
        archives.sort();
        Ok(archives)
    }
}

/// Unpacks the files of one package below `root`; none of its scripts run.
pub fn unpack(archive: &Path, root: &Path) -> Command {
    Command::new("dpkg-deb").arg("-x").arg(archive).arg(root)
}

/// Reads the package lists of the machine itself anew; needs root.
pub fn machine_update() -> Command {
    machine().arg("update")
}

/// Installs packages on the machine itself; needs root.
pub fn machine_install(packages: &[&str]) -> Command {
    machine()
        .args(["--no-install-recommends", "install"])
        .args(packages)
}

fn machine() -> Command {
    Command::new("apt-get")
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        // Unattended upgrades may hold the lock just now.
        .args(["-o", "DPkg::Lock::Timeout=120"])
        .args(["-o", "APT::Status-Fd=2", "--quiet", "--yes"])
}

fn source_line(repository: &Repository) -> String {
    let valid_until = if repository.check_valid_until {
        ""
    } else {
        " check-valid-until=no"
    };
    format!(
        "deb [arch={} target=Packages signed-by={}{valid_until}] {} {} main\n",
        repository.arch,
        repository.keyring.display(),
        repository.mirror,
        repository.suite
    )
}

/// The configuration of a private apt; read after the machine's own, so that its settings win.
fn configuration(dir: &Path, arch: &str) -> String {
    let dir = dir.display();
    format!(
        r#"// Signatures decide what is installed, whatever the machine's settings say.
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
// A source that cannot be read is an error, not a warning.
APT::Update::Error-Mode "any";
// As root, apt would read and write as the user _apt, who cannot enter a home directory.
APT::Sandbox::User "root";
// The machine's hooks look after the machine's package lists.
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
Dir::State "{dir}/state";
Dir::State::status "{dir}/status";
Dir::Cache "{dir}/cache";
Dir::Log "{dir}/log";
Dir::Etc::sourcelist "{dir}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "{dir}/preferences.d";
APT::Architecture "{arch}";
APT::Architectures {{ "{arch}"; }};
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "2";
"#
    )
}

/// `39.0 MB` of the line `Need to get 39.0 MB of archives.` or `Need to get 2.1 MB/39.0 MB of archives.`
pub fn archive_size(plan: &str) -> Option<&str> {
    plan.lines()
        .find_map(|line| line.strip_prefix("Need to get "))
        .and_then(|rest| rest.strip_suffix(" of archives."))
        .map(|size| size.split_once('/').map_or(size, |(missing, _)| missing))
}

/// How far a download is, of a line on the status descriptor: `dlstatus:12:34.5:Retrieving file 12 of 97`.
pub fn progress(line: &str) -> Option<(f32, &str)> {
    let rest = ["dlstatus:", "pmstatus:", "pmerror:"]
        .into_iter()
        .find_map(|kind| line.strip_prefix(kind))?;
    let mut fields = rest.splitn(3, ':').skip(1);
    let percent = fields.next()?.parse().ok()?;
    Some((percent, fields.next()?))
}

/// What apt said, without its status lines.
pub fn talk(stderr: &str) -> String {
    stderr
        .lines()
        .filter(|line| !line.trim().is_empty() && progress(line).is_none())
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid() -> Repository {
        Repository {
            mirror: "http://mirror.example/debian".to_owned(),
            suite: "sid",
            keyring: "/usr/share/keyrings/debian-archive-keyring.gpg".into(),
            arch: "amd64",
            check_valid_until: false,
        }
    }

    #[test]
    fn the_source_names_its_key_and_only_the_package_index() {
        assert_eq!(
            source_line(&sid()),
            "deb [arch=amd64 target=Packages signed-by=/usr/share/keyrings/debian-archive-keyring.gpg \
             check-valid-until=no] http://mirror.example/debian sid main\n"
        );
        let strict = Repository {
            check_valid_until: true,
            ..sid()
        };
        assert!(!source_line(&strict).contains("valid"));
    }

    #[test]
    fn the_command_lines_are_these() {
        let dir = tempfile::tempdir().unwrap();
        let apt = PrivateApt::create(dir.path(), &sid()).unwrap();
        let line = apt.download(&["nix-bin", "patchelf"]).line();
        assert_eq!(
            line.replace(&dir.path().display().to_string(), "DIR"),
            "apt-get -c DIR/apt.conf -o APT::Status-Fd=2 --quiet --yes --download-only install nix-bin patchelf"
        );
        assert_eq!(
            machine_install(&["git"]).line(),
            "apt-get -o DPkg::Lock::Timeout=120 -o APT::Status-Fd=2 --quiet --yes --no-install-recommends install git"
        );
    }

    #[test]
    fn only_package_files_are_archives() {
        let dir = tempfile::tempdir().unwrap();
        let apt = PrivateApt::create(dir.path(), &sid()).unwrap();
        for name in ["b.deb", "a.deb", "lock"] {
            std::fs::write(dir.path().join("cache/archives").join(name), "").unwrap();
        }
        let names: Vec<_> = apt.archives().unwrap();
        let names: Vec<_> = names.iter().map(|path| path.file_name().unwrap()).collect();
        assert_eq!(names, ["a.deb", "b.deb"]);
    }

    #[test]
    fn what_is_left_to_fetch_is_read_from_the_plan() {
        let plan = "'http://x/a.deb' a.deb 12 SHA256:0\nNeed to get 39.0 MB of archives.\n";
        assert_eq!(archive_size(plan), Some("39.0 MB"));
        let resumed = "Need to get 2,103 kB/39.0 MB of archives.";
        assert_eq!(archive_size(resumed), Some("2,103 kB"));
        assert_eq!(archive_size("Reading package lists..."), None);
    }

    #[test]
    fn status_lines_are_progress_and_no_talk() {
        let line = "dlstatus:12:34.5000:Retrieving file 12 of 97";
        assert_eq!(progress(line), Some((34.5, "Retrieving file 12 of 97")));
        assert_eq!(progress("E: Failed to fetch http://x"), None);
        let error = "pmerror:git:76.8:installed git package post-installation script exited 1";
        assert_eq!(talk(&format!("{line}\n\n{error}\nE: no\n")), "E: no");
    }
}
