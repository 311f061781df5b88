//! A GPT disk with an EFI system partition (mtools) and an ext4 root (mke2fs reads the archive): no mount, no root.
//! Everything is written into one sparse file.

use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use super::root::Root;
use super::Recipe;
use crate::cache;
use crate::error::{Error, ErrorKind, Result};
use crate::process::Command;
use crate::tools::Tools;

const LIMIT: Duration = Duration::from_secs(600);

/// Room for a handful of kernels and initramfs.
const ESP_MIB: u64 = 256;
const ROOT_START_MIB: u64 = 1 + ESP_MIB;

pub(super) fn write(tools: &Tools, recipe: &Recipe, root: &Root, made: &Path) -> Result<()> {
    let disk = made.join("disk.raw");
    if recipe.disk_mib < ROOT_START_MIB + 1024 {
        return Err(Error::new(
            ErrorKind::ImageBuild,
            format!("a disk of {} MiB is too small", recipe.disk_mib),
        )
        .try_next(format!("at least {} MiB", ROOT_START_MIB + 1024)));
    }
    let file = File::create(&disk).map_err(|e| Error::io("make", &disk, e))?;
    file.set_len(recipe.disk_mib << 20)
        .map_err(|e| Error::io("size", &disk, e))?;
    drop(file);

    let table = made.join("partitions");
    cache::write(&table, partition_table(recipe.disk_mib).as_bytes())?;
    Command::new(&tools.sfdisk)
        .args(["--quiet", "--no-reread", "--no-tell-kernel"])
        .arg(&disk)
        .stdin(&table)
        .success(LIMIT)?;

    // mtools wants to be told the size of a partition inside a file.
    let esp = format!("{}@@1M", disk.display());
    let mtools = |applet: &str| {
        Command::new(&tools.mtools)
            .env("MTOOLS_SKIP_CHECK", "1")
            .args(["-c", applet, "-i"])
            .arg(&esp)
    };
    mtools("mformat")
        .args(["-F", "-v", "ESP", "-T"])
        .arg((ESP_MIB * 2048).to_string())
        .arg("::")
        .success(LIMIT)?;
    let mut top: Vec<_> = fs::read_dir(&root.esp)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .map_err(|e| Error::io("read", &root.esp, e))?;
    top.sort();
    mtools("mcopy")
        .args(["-s", "-Q"])
        .args(&top)
        .arg("::/")
        .success(LIMIT)?;

    let root_kib = (recipe.disk_mib - ROOT_START_MIB - 1) << 10;
    Command::new(&tools.mke2fs)
        .args(["-q", "-F", "-t", "ext4", "-L", "root", "-m", "1", "-d"])
        .arg(&root.tar)
        .arg("-E")
        .arg(format!(
            "offset={},assume_storage_prezeroed=1,lazy_itable_init=0,lazy_journal_init=0",
            ROOT_START_MIB << 20
        ))
        .arg(&disk)
        .arg(format!("{root_kib}k"))
        .success(LIMIT)?;

    for (from, to) in [("linux", "linux"), ("initrd", "initrd")] {
        cache::copy(&root.esp.join("debian").join(from), &made.join(to))?;
    }
    if recipe.debian_initramfs {
        cache::copy(
            &root.esp.join("debian/initrd-debian"),
            &made.join("initrd-debian"),
        )?;
    }
    Ok(())
}

/// sfdisk's script: the last MiB stays free for the second copy of the table.
fn partition_table(disk_mib: u64) -> String {
    format!(
        "label: gpt\nunit: sectors\nsector-size: 512\n\
         start={}, size={}, type=uefi, name=ESP\n\
         start={}, size={}, type=linux, name=root\n",
        2048,
        ESP_MIB * 2048,
        ROOT_START_MIB * 2048,
        (disk_mib - ROOT_START_MIB - 1) * 2048
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_do_not_overlap_and_leave_room_for_the_second_table() {
        let table = partition_table(4096);
        let numbers: Vec<u64> = table
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|word| word.parse().ok())
            .filter(|&n| n > 1024)
            .collect();
        let [esp, esp_size, root, root_size] = numbers[..] else {
            panic!("{table}");
        };
        assert_eq!(esp + esp_size, root);
        assert_eq!(root + root_size + 2048, 4096 * 2048);
    }
}
