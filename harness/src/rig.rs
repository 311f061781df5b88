//! A harness whose programs are scripts, for tests of what holds when QEMU fails: no guest ever comes up here.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::accel::Wanted;
use crate::cache::{self, Shelf};
use crate::harness::{Harness, Options};
use crate::image::{self, Image};
use crate::progress::Progress;
use crate::run::Run;
use crate::tools::Tools;

/// Gives the key that ssh-keygen would, which nobody here looks into.
const SSH_KEYGEN: &str = r#"for file; do :; done; echo key >"$file"; echo key >"$file.pub""#;

pub(crate) struct Rig {
    pub run: Run,
    pub image: Image,
    pub harness: Harness,
    dir: TempDir,
}

impl Rig {
    /// `qemu` is a script for `sh`; `$RIG` in it is the rig's folder, whose `cache` is the cache.
    pub fn new(qemu: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let tools = Tools {
            qemu: program(dir.path(), "qemu", qemu),
            qemu_img: "/bin/true".into(),
            ssh_keygen: program(dir.path(), "ssh-keygen", SSH_KEYGEN),
            ovmf_vars: file(dir.path().join("vars")),
            ..Tools::debian(Path::new("/"))
        };
        let harness = Harness::with_unseen(Options {
            tools,
            cache: dir.path().join("cache"),
            accelerator: Wanted::Tcg,
            timeout_scale: 1.0,
            progress: Progress::silent(),
        })
        .unwrap();
        harness.cache().create().unwrap();
        let boot_id = cache::read_text(Path::new("/proc/sys/kernel/random/boot_id")).unwrap();
        let speed = format!("speed-tcg-{}.json", boot_id.trim_end());
        cache::write(
            &harness.cache().root().join(speed),
            br#"{"kvm":false,"seconds":1.5}"#,
        )
        .unwrap();
        let image = entry(&harness, Shelf::Images, "image", &["linux", "initrd"]);
        assert!(image.exists());
        Self {
            run: harness.run("rig", &dir.path().join("logs")).unwrap(),
            image: image::existing(harness.cache(), "image").unwrap(),
            harness,
            dir,
        }
    }

    /// What the script of QEMU wrote into this file of the rig's folder; empty if it has not yet.
    pub fn noted(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.path().join(file)).unwrap_or_default()
    }

    /// Another script, as that of QEMU.
    pub fn program(&self, name: &str, text: &str) -> PathBuf {
        program(self.dir.path(), name, text)
    }

    /// An entry of the cache that looks complete.
    pub fn entry(&self, shelf: Shelf, key: &str, files: &[&str]) -> PathBuf {
        entry(&self.harness, shelf, key, files)
    }
}

fn entry(harness: &Harness, shelf: Shelf, key: &str, files: &[&str]) -> PathBuf {
    let dir = harness.cache().entry(shelf, key);
    cache::create_dir(&dir).unwrap();
    for name in files.iter().chain(&["complete"]) {
        file(dir.join(name));
    }
    dir
}

fn file(path: PathBuf) -> PathBuf {
    cache::write(&path, b"").unwrap();
    path
}

/// Written by another process: one of ours that is starting could hold the file open, and nobody could run it then.
fn program(dir: &Path, name: &str, text: &str) -> PathBuf {
    let (source, program) = (dir.join(format!("{name}.sh")), dir.join(name));
    let text = format!("#!/bin/sh\nRIG='{}'\n{text}\n", dir.display());
    cache::write(&source, text.as_bytes()).unwrap();
    let installed = std::process::Command::new("install")
        .args(["-m", "755"])
        .args([&source, &program])
        .status();
    assert!(installed.unwrap().success());
    program
}
