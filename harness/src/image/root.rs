//! The guest's root as a tar archive, made by mmdebstrap: signatures are apt's business, ownership mmdebstrap's.
//! As root in mode `root`, otherwise in a user namespace (mode `unshare`); nothing is mounted on the host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{archive, guest, Recipe};
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Command;
use crate::tools::Tools;

/// Host time; a slow mirror is the reason for half an hour.
const LIMIT: Duration = Duration::from_secs(1800);

/// What the download step says when a package did not arrive. Looked for in mmdebstrap's output.
const BROKE_OFF: &str = "harness: the download broke off";

/// Fetches into the new root before anything is unpacked. A failure is noted and reported only after what did
/// arrive was copied back to the package cache, so that the next try goes on from there.
const FETCH: &str = r#"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG"
{ apt-get -q update && apt-get -q -y --download-only install '?essential' apt $HARNESS_PACKAGES; } >&2 \
  || touch "$1/harness-download-failed"
"#;

/// A finished root: the archive, and the files of the EFI system partition.
pub(super) struct Root {
    pub tar: PathBuf,
    pub esp: PathBuf,
    scratch: PathBuf,
}

impl Root {
    /// Removes what the disk does not need any more.
    pub fn discard(&self) -> Result<()> {
        cache::remove(&self.scratch)
    }
}

pub(super) fn build(tools: &Tools, recipe: &Recipe, packages: &Path, made: &Path) -> Result<Root> {
    let scratch = made.join("root");
    let temporary = scratch.join("tmp");
    cache::create_dir(&temporary)?;
    let root = Root {
        tar: scratch.join("root.tar"),
        esp: scratch.join("esp/boot"),
        scratch: scratch.clone(),
    };
    let files_tar = scratch.join("files.tar");
    cache::write(&files_tar, &files(recipe)?)?;
    cache::create_dir(&scratch.join("esp"))?;
    let output = Command::new(&tools.mmdebstrap)
        .args(arguments(recipe, packages, &scratch))
        .env("TMPDIR", &temporary)
        .env("HARNESS_PACKAGES", recipe.all_packages().join(" "))
        // Debian's kernel packages then leave out the initramfs, which is most of the configuring.
        .env("INITRD", if recipe.debian_initramfs { "Yes" } else { "No" })
        .env("LC_ALL", "C.UTF-8")
        .gentle()
        .capture(LIMIT)?;
    fs::write(made.join("mmdebstrap.log"), &output.stderr)
        .map_err(|e| Error::io("write", &made.join("mmdebstrap.log"), e))?;
    if output.success() {
        return Ok(root);
    }
    Err(failure(output.code, &output.stderr, made))
}

fn failure(code: i32, log: &str, made: &Path) -> Error {
    let log_file = made.join("mmdebstrap.log");
    let causes: String = log
        .lines()
        .filter(|line| {
            ["E: ", "Err:", "W: Failed"]
                .iter()
                .any(|mark| line.starts_with(mark))
        })
        .take(6)
        .map(|line| format!("\n{line}"))
        .collect();
    if log.contains("No space left on device") {
        return Error::new(
            ErrorKind::NoSpace,
            format!("the disk ran full while packages were unpacked{causes}"),
        )
        .try_next("free some space, or use a cache on another file system");
    }
    // As a line of its own: mmdebstrap says beforehand what it is going to run, these words included.
    if log.lines().any(|line| line == BROKE_OFF) {
        return Error::new(
            ErrorKind::Download,
            format!("a package did not arrive{causes}"),
        )
        .try_next("run again: what did arrive is kept");
    }
    if log.contains("/etc/subuid") || log.contains("newuidmap") {
        return Error::new(
            ErrorKind::ImageBuild,
            format!("without root, ranges of user ids are needed{causes}"),
        )
        .try_next("apt install uidmap, and usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER");
    }
    Error::new(
        ErrorKind::ImageBuild,
        format!("mmdebstrap exited {code}{causes}"),
    )
    .try_next(format!("read {}", log_file.display()))
}

fn files(recipe: &Recipe) -> Result<Vec<u8>> {
    let ours = guest::FILES
        .iter()
        .map(|(path, mode, text)| (*path, *mode, text.as_bytes()))
        .chain([("/harness-finish", 0o700, guest::FINISH.as_bytes())]);
    let theirs = recipe
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.mode, &file.content[..]));
    archive::tar(ours.chain(theirs))
}

/// mmdebstrap's arguments. Hooks are shell to mmdebstrap: every word of ours in them is quoted.
fn arguments(recipe: &Recipe, packages: &Path, scratch: &Path) -> Vec<String> {
    let path = |path: &Path| quote(&path.to_string_lossy());
    let hook = |name: &str, line: String| format!("--{name}-hook={line}");
    let mode = match nix::unistd::geteuid().is_root() {
        true => "--mode=root",
        false => "--mode=unshare",
    };
    let mut arguments = vec![
        mode.to_owned(),
        "--variant=minbase".to_owned(),
        "--format=tar".to_owned(),
        "--skip=download/empty,essential/unlink".to_owned(),
        format!("--include={}", recipe.all_packages().join(",")),
        hook(
            "setup",
            "mkdir -p \"$1/var/cache/apt/archives/partial\"".to_owned(),
        ),
        hook(
            "setup",
            format!("sync-in {} /var/cache/apt/archives", path(packages)),
        ),
        hook("setup", FETCH.to_owned()),
        hook(
            "setup",
            format!("sync-out /var/cache/apt/archives {}", path(packages)),
        ),
        hook(
            "setup",
            format!(
                "if [ -e \"$1/harness-download-failed\" ]; then echo '{BROKE_OFF}' >&2; exit 1; fi"
            ),
        ),
        hook(
            "customize",
            format!("tar-in {} /", path(&scratch.join("files.tar"))),
        ),
        hook(
            "customize",
            format!(
                "chroot \"$1\" /bin/sh /harness-finish {} {}",
                quote(&recipe.disable.join(" ")),
                quote(&recipe.enable.join(" "))
            ),
        ),
        hook(
            "customize",
            format!("copy-out /boot {}", path(&scratch.join("esp"))),
        ),
        hook(
            "customize",
            "rm -rf \"$1\"/harness-finish \"$1\"/boot/* \"$1\"/var/cache/apt/archives/*.deb"
                .to_owned(),
        ),
        recipe.suite.clone(),
        scratch.join("root.tar").to_string_lossy().into_owned(),
    ];
    arguments.extend(recipe.mirror.clone());
    arguments
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn a_broken_download_is_told_from_a_broken_package() {
        let log =
            format!("Err:7 http://mirror trixie/main sudo\nE: Unable to fetch\n{BROKE_OFF}\n");
        let error = failure(1, &log, Path::new("/made"));
        assert_eq!(error.kind(), ErrorKind::Download);
        assert!(error.to_string().contains("E: Unable to fetch"));
        let error = failure(1, "E: setup failed", Path::new("/made"));
        assert_eq!(error.kind(), ErrorKind::ImageBuild);
        assert!(error.next_step().unwrap().contains("/made/mmdebstrap.log"));
        let error = failure(1, "E: failed to parse /etc/subuid", Path::new("/made"));
        assert!(error.next_step().unwrap().contains("uidmap"));
        let error = failure(1, "tar: No space left on device", Path::new("/made"));
        assert_eq!(error.kind(), ErrorKind::NoSpace);
    }

    #[test]
    fn names_with_quotes_stay_one_word() {
        let recipe = Recipe {
            enable: vec!["it's.service".to_owned()],
            ..Recipe::debian_13()
        };
        let arguments = arguments(&recipe, Path::new("/p"), Path::new("/s"));
        assert!(arguments
            .iter()
            .any(|a| a.ends_with(r"'' 'it'\''s.service'")));
    }

    /// A mirror of packages that can be fetched and not installed; one of them breaks off as long as `whole` is false.
    struct Mirror {
        port: u16,
        /// Paths and where in them each request began.
        asked: Arc<Mutex<Vec<(String, usize)>>>,
        whole: Arc<AtomicBool>,
    }

    const BREAKS_OFF: &str = "/pool/sudo.deb";

    impl Mirror {
        fn start(packages: &[&str]) -> Self {
            let mut files = BTreeMap::new();
            let mut index = String::new();
            for name in packages.iter().chain(&["apt", "base-files"]) {
                let content = format!("{name:.<60000}").into_bytes();
                let essential = match *name {
                    "base-files" => "Essential: yes\n",
                    _ => "",
                };
                index += &format!(
                    "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: nobody\n{essential}\
                     Filename: pool/{name}.deb\nSize: {}\nSHA256: {}\nDescription: none\n\n",
                    content.len(),
                    hex(&content)
                );
                files.insert(format!("/pool/{name}.deb"), content);
            }
            let place = format!("main/binary-{}/Packages", std::env::consts::ARCH)
                .replace("x86_64", "amd64")
                .replace("aarch64", "arm64");
            let release = format!(
                "Suite: trixie\nCodename: trixie\nComponents: main\nArchitectures: amd64 arm64\n\
                 Date: Sat, 01 Jan 2000 00:00:00 UTC\nSHA256:\n {} {} {place}\n",
                hex(index.as_bytes()),
                index.len()
            );
            files.insert(format!("/dists/trixie/{place}"), index.into_bytes());
            files.insert("/dists/trixie/Release".to_owned(), release.into_bytes());
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let mirror = Self {
                port: listener.local_addr().unwrap().port(),
                asked: Arc::default(),
                whole: Arc::default(),
            };
            let (files, asked) = (Arc::new(files), Arc::clone(&mirror.asked));
            let whole = Arc::clone(&mirror.whole);
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let (files, asked) = (Arc::clone(&files), Arc::clone(&asked));
                    let whole = Arc::clone(&whole);
                    // A client that hung up wants no answer.
                    std::thread::spawn(move || drop(answer(&stream, &files, &asked, &whole)));
                }
            });
            mirror
        }

        /// The packages that were asked for since the last time.
        fn packages_asked(&self) -> Vec<(String, usize)> {
            let asked = std::mem::take(&mut *self.asked.lock().unwrap());
            asked
                .into_iter()
                .filter(|(path, _)| path.starts_with("/pool/"))
                .collect()
        }
    }

    fn hex(bytes: &[u8]) -> String {
        let digest = Sha256::digest(bytes);
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn answer(
        mut stream: &TcpStream,
        files: &BTreeMap<String, Vec<u8>>,
        asked: &Mutex<Vec<(String, usize)>>,
        whole: &AtomicBool,
    ) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next() {
            let path = line?.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut from = 0;
            for header in lines.by_ref() {
                let header = header?;
                if let Some(range) = header.strip_prefix("Range: bytes=") {
                    from = range.trim_end_matches('-').parse().unwrap_or(0);
                }
                if header.is_empty() {
                    break;
                }
            }
            asked.lock().unwrap().push((path.clone(), from));
            let Some(content) = files.get(&path) else {
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            };
            let status = match from {
                0 => "200 OK\r\n".to_owned(),
                _ => format!(
                    "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}\r\n",
                    content.len() - 1,
                    content.len()
                ),
            };
            let head = format!(
                "HTTP/1.1 {status}Last-Modified: Sat, 01 Jan 2000 00:00:00 GMT\r\nContent-Length: {}\r\n\r\n",
                content.len() - from
            );
            stream.write_all(head.as_bytes())?;
            if path == BREAKS_OFF && !whole.load(Ordering::SeqCst) {
                if from == 0 {
                    stream.write_all(&content[..content.len() / 2])?;
                }
                // What was sent is to arrive before the end is noticed.
                std::thread::sleep(Duration::from_millis(200));
                return Ok(());
            }
            stream.write_all(&content[from..])?;
        }
        Ok(())
    }

    #[test]
    fn a_second_try_fetches_only_what_did_not_arrive_at_the_first() {
        let version = std::process::Command::new("mmdebstrap")
            .arg("--version")
            .output();
        if version.is_err() {
            println!("skip: no mmdebstrap here");
            return;
        }
        let recipe = Recipe::debian_13();
        let mirror = Mirror::start(&recipe.all_packages());
        let recipe = Recipe {
            mirror: Some(format!(
                "deb [trusted=yes] http://127.0.0.1:{}/ trixie main",
                mirror.port
            )),
            ..recipe
        };
        let dir = tempfile::tempdir().unwrap();
        let packages = dir.path().join("packages");
        cache::create_dir(&packages).unwrap();
        let tools = Tools::debian(Path::new("/"));
        let try_it = |made: &str| {
            let built = build(&tools, &recipe, &packages, &dir.path().join(made));
            built.err().unwrap()
        };
        let error = try_it("first");
        let cannot = error.to_string();
        if cannot.contains("ranges of user ids") {
            println!("skip: mmdebstrap does not run here: {cannot}");
            return;
        }
        assert_eq!(error.kind(), ErrorKind::Download, "{cannot}");
        let first = mirror.packages_asked();
        assert!(
            first.contains(&("/pool/udev.deb".to_owned(), 0)),
            "{first:?}"
        );

        mirror.whole.store(true, Ordering::SeqCst);
        // All is there, and cannot be installed.
        let error = try_it("second");
        assert_eq!(error.kind(), ErrorKind::ImageBuild, "{error}");
        assert_eq!(
            mirror.packages_asked(),
            [(BREAKS_OFF.to_owned(), 30_000)],
            "and that from its middle"
        );
    }
}
