//! Faults that are done to a machine, and undone. Power, freeze and cables are in `power` and `network`.
//! Each is seen to do what it says in `tests/faults.rs`.

use serde_json::json;

use super::{lock, Machine};
use crate::error::{Error, ErrorKind, Result};

/// A network card of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nic {
    /// eth0: between host and guest.
    Control,
    /// eth1: between machines.
    Lan,
}

/// Whether a card has its cable in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cable {
    In,
    Out,
}

/// The file that fills a file system, in its topmost folder.
const BALLAST: &str = ".harness-ballast";

impl Machine {
    /// Pulls or puts back the plug of a card: the guest sees that it has no carrier. Agent and monitor stay.
    pub fn plug(&self, nic: Nic, cable: Cable) -> Result<()> {
        let name = match nic {
            Nic::Control => "nic-control",
            Nic::Lan => "nic-lan",
        };
        self.note(format!("{name}: cable {cable:?}").to_lowercase());
        self.monitor(
            "set_link",
            json!({ "name": name, "up": cable == Cable::In }),
        )
        .map(drop)
    }

    /// Fills the file system that holds `path`, to the last byte.
    pub fn fill_disk(&self, path: &str) -> Result<()> {
        self.fill_disk_within(path, std::time::Duration::from_secs(60))
    }

    /// The same with another time-out, in guest time.
    pub(crate) fn fill_disk_within(&self, path: &str, guest: std::time::Duration) -> Result<()> {
        self.note(format!("disk full: {path}"));
        // Most of it at once, without a byte written; the last of it by writing, for only that finds the last byte.
        let script = format!(
            "set -e; top=$(stat -c %m -- {path}); file=\"$top/{BALLAST}\"; touch \"$file\"; \
             at=$(stat -c %s -- \"$file\"); set -- $(stat -f -c '%f %S' -- \"$top\"); \
             size=$(($1 * $2 - (4 << 20))); \
             [ $size -le 0 ] || fallocate -o \"$at\" -l $size \"$file\" || true; \
             cat /dev/zero >>\"$file\" 2>/dev/null || true; sync -f \"$file\"",
            path = quote(path)
        );
        self.shell_within(&script, guest).map(drop)
    }

    /// Takes back what `fill_disk` took.
    pub fn free_disk(&self, path: &str) -> Result<()> {
        self.note(format!("disk freed: {path}"));
        let path = quote(path);
        // On the disk, too: after a power cut right away it would be full again.
        self.shell(&format!(
            "top=$(stat -c %m -- {path}) && rm -f -- \"$top/{BALLAST}\" && sync -f \"$top\""
        ))
        .map(drop)
    }

    /// All file systems on disks become read-only at once, whoever writes: what a kernel does with a failing disk.
    pub fn make_read_only(&self) -> Result<()> {
        self.note("disks read-only");
        self.shell("echo u >/proc/sysrq-trigger")?;
        // The kernel does it in the background.
        self.wait_until(
            "a read-only root",
            std::time::Duration::from_secs(20),
            || {
                Ok(self
                    .shell("grep -q '^/dev/vda2 / ext4 ro' /proc/mounts && echo yes || echo no")?
                    == "yes")
            },
        )
    }

    /// Root and /boot become writable again.
    pub fn make_writable(&self) -> Result<()> {
        self.note("disks writable");
        self.shell(
            "mount -o remount,rw / && { ! mountpoint -q /boot || mount -o remount,rw /boot; }",
        )
        .map(drop)
    }

    /// Moves the guest's clock by seconds, forward or (negative) back. The hardware clock stays.
    pub fn move_clock(&self, seconds: i64) -> Result<()> {
        self.note(format!("clock moved by {seconds} s"));
        self.shell(&format!(
            "date -s \"@$(($(date +%s) + {seconds}))\" >/dev/null"
        ))
        .map(drop)
    }

    /// Sends a signal (`KILL`, `TERM`, …) to all processes of exactly this name.
    ///
    /// # Errors
    /// `Command` if there is none.
    pub fn kill_process(&self, name: &str, signal: &str) -> Result<()> {
        self.note(format!("{name}: SIG{signal}"));
        self.shell(&format!("pkill -x -{} -- {}", quote(signal), quote(name)))
            .map(drop)
            .map_err(|e| e.context(format!("no process {name} to kill")))
    }

    /// Bytes a second that the disk reads and writes at most; `None` takes the limit away.
    pub fn slow_disk(&self, bytes_per_second: Option<u64>) -> Result<()> {
        self.note(format!("disk limited to {bytes_per_second:?} bytes/s"));
        let limit = bytes_per_second.unwrap_or(0);
        self.monitor(
            "block_set_io_throttle",
            json!({
                "id": "/machine/peripheral/disk-device/virtio-backend", "bps": limit, "bps_rd": 0, "bps_wr": 0,
                "iops": 0, "iops_rd": 0, "iops_wr": 0,
            }),
        )
        .map(drop)
    }

    /// Makes the kernel panic; the machine stands still afterwards, and every wait for it says so.
    pub fn panic(&self) -> Result<()> {
        self.note("kernel panic");
        let vm = self.vm()?;
        let mark = vm.qmp.mark();
        // The agent does not live to answer.
        let _ = self.spawn(super::Exec::shell(
            "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger",
        ));
        let within = self.host_time(std::time::Duration::from_secs(30));
        match vm.qmp.event_since(mark, &["GUEST_PANICKED"], within) {
            Some(_) => Ok(()),
            None => Err(Error::new(
                ErrorKind::TimedOut,
                format!("{} did not panic when it was told to", self.name()),
            )),
        }
    }

    /// Ends QEMU as a crash of it would; the harness is not told.
    pub fn kill_qemu(&self) -> Result<()> {
        let vm = lock(&self.0.vm).clone();
        if let Some(vm) = vm {
            self.note("QEMU killed");
            vm.kill();
        }
        Ok(())
    }
}

fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
