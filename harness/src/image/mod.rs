//! Debian guests as disk images: built once a recipe, kept in the cache, never changed afterwards.
//! Works without root and without mounts; knows nothing of running machines.

mod archive;
mod disk;
mod guest;
mod recipe;
mod root;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::cache::{self, Cache, Lock, Shelf};
use crate::error::{Error, ErrorKind, Result};
use crate::progress::Progress;
use crate::tools::Tools;

pub use recipe::{GuestFile, Recipe};

pub use guest::kernel_options;

/// Free space that building needs beside the finished image, in MiB: packages, the root as tar, the sparse disk.
const SPACE_MIB: u64 = 2560;

/// The lock on the folder of downloaded packages: shared by those who build from it, exclusive for removing it.
pub(crate) const PACKAGES: &str = "packages";

/// A finished image. It stays while this value lives: the garbage collection leaves it alone.
#[derive(Debug, Clone)]
pub struct Image {
    pub(crate) hash: String,
    pub(crate) dir: PathBuf,
    _in_use: std::sync::Arc<Lock>,
}

impl Image {
    /// The recipe's hash, which names the image.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// When it was built, to tell a rebuilt image from its predecessor of the same name.
    pub(crate) fn built(&self) -> Result<String> {
        cache::read_text(&self.dir.join("complete"))
    }

    /// The disk: GPT, an EFI system partition with systemd-boot, and an ext4 root. Never written to.
    pub fn disk(&self) -> PathBuf {
        self.dir.join("disk.raw")
    }

    /// The kernel and the small initramfs of the image's boot entry, for starts without firmware.
    pub fn kernel(&self) -> PathBuf {
        self.dir.join("linux")
    }

    pub fn initrd(&self) -> PathBuf {
        self.dir.join("initrd")
    }

    /// Debian's own initramfs, if the recipe asked for it.
    pub fn debian_initrd(&self) -> Option<PathBuf> {
        Some(self.dir.join("initrd-debian")).filter(|file| file.exists())
    }
}

/// The image of a recipe: from the cache, or built now. Two processes that want the same build it once.
pub(crate) fn provide(
    cache: &Cache,
    tools: &Tools,
    recipe: &Recipe,
    progress: &Progress,
) -> Result<Image> {
    let hash = recipe.hash();
    let entry = cache.entry(Shelf::Images, &hash);
    let name = format!("images-{hash}");
    let image = |lock| Image {
        hash: hash.clone(),
        dir: entry.clone(),
        _in_use: std::sync::Arc::new(lock),
    };
    let shared = cache.share(&name)?;
    if entry.join("complete").exists() {
        cache::touch(&entry)?;
        return Ok(image(shared));
    }
    drop(shared);
    let building = cache.lock(&name)?;
    if !entry.join("complete").exists() {
        let started = Instant::now();
        build(cache, tools, recipe, &entry, progress)
            .map_err(|e| e.context(format!("cannot build image {hash}")))?;
        progress.say(
            "image",
            &format!("built in {:.0} s", started.elapsed().as_secs_f64()),
        );
    }
    drop(building);
    let shared = cache.share(&name)?;
    if !entry.join("complete").exists() {
        // Between the two locks only a garbage collection can have come, and it leaves what was just made.
        return Err(Error::new(
            ErrorKind::ImageBuild,
            format!("image {hash} vanished from the cache after it was built"),
        )
        .try_next("run again"));
    }
    cache::touch(&entry)?;
    Ok(image(shared))
}

/// An image that was built before, by its hash.
///
/// # Errors
/// `State` if the cache has it no more.
pub(crate) fn existing(cache: &Cache, hash: &str) -> Result<Image> {
    let dir = cache.entry(Shelf::Images, hash);
    let shared = cache.share(&format!("images-{hash}"))?;
    if !dir.join("complete").exists() {
        return Err(Error::new(
            ErrorKind::State,
            format!("the cache has image {hash} no more"),
        ));
    }
    cache::touch(&dir)?;
    Ok(Image {
        hash: hash.to_owned(),
        dir,
        _in_use: std::sync::Arc::new(shared),
    })
}

fn build(
    cache: &Cache,
    tools: &Tools,
    recipe: &Recipe,
    entry: &Path,
    progress: &Progress,
) -> Result<()> {
    require_space(cache.root(), SPACE_MIB)?;
    let made = entry.with_extension("part");
    cache::remove(&made)?;
    cache::create_dir(&made)?;
    let packages = cache.shelf(Shelf::Packages);
    let _in_use = cache.share(PACKAGES)?;
    progress.say("image", "fetching, unpacking and configuring packages");
    let root = root::build(tools, recipe, &packages, &made)?;
    progress.say("image", "writing the disk");
    disk::write(tools, recipe, &root, &made)?;
    root.discard()?;
    let now = std::time::SystemTime::now();
    cache::write(&made.join("complete"), format!("{now:?}\n").as_bytes())?;
    cache::publish(&made, entry)
}

/// Errs when the file system of `dir` has less than `mib` MiB free.
pub(crate) fn require_space(dir: &Path, mib: u64) -> Result<()> {
    let stat = nix::sys::statvfs::statvfs(dir)
        .map_err(|errno| Error::io("ask for the free space of", dir, errno.into()))?;
    let free = stat.blocks_available() * stat.fragment_size() / (1 << 20);
    if free >= mib {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NoSpace,
        format!(
            "{} has {free} MiB free and {mib} MiB are needed",
            dir.display()
        ),
    )
    .try_next("free some space, or use a cache on another file system"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_little_space_says_how_much_is_missing() {
        let error = require_space(Path::new("/"), u64::MAX / (1 << 20)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoSpace);
        assert!(error.to_string().contains("MiB are needed"));
    }

    #[test]
    fn the_packages_are_nobodys_to_remove_while_an_image_is_built() {
        let dir = tempfile::tempdir().unwrap();
        if require_space(dir.path(), SPACE_MIB).is_err() {
            println!("skip: no space for an image in {}", dir.path().display());
            return;
        }
        let rig = crate::rig::Rig::new("exit 1");
        let tools = Tools {
            mmdebstrap: rig.program(
                "mmdebstrap",
                r#"flock -n -x "$RIG/cache/locks/packages" true || echo taken >"$RIG/packages"; exit 1"#,
            ),
            ..rig.harness.tools().clone()
        };
        let progress = Progress::silent();
        let error = provide(rig.harness.cache(), &tools, &Recipe::debian_13(), &progress);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::ImageBuild);
        assert_eq!(rig.noted("packages"), "taken\n");
    }
}
