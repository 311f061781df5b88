//! Disks added to a running machine: read-only images (a closure as erofs, say) and scratch disks.
//! They are gone after the machine was off: a restored or rebooted machine is given what it needs again.

use std::path::Path;

use serde_json::json;

use super::{lock, Machine};
use crate::error::{Error, ErrorKind, Result};
use crate::qemu::args::{Attached, FIRST_FREE_SLOT};

/// Of a PCI bus.
const LAST_SLOT: u8 = 0x1e;

/// A virtio disk's serial number has room for this much.
const LONGEST_SERIAL: usize = 20;

impl Machine {
    /// Plugs in the raw image `file`, read-only, and gives the device's path in the guest
    /// (`/dev/disk/by-id/virtio-SERIAL`). Nothing is mounted.
    ///
    /// # Errors
    /// `State` for a serial that is none, `Refused` for a file that QEMU cannot open or a serial used twice,
    /// `TimedOut` if the guest does not see it.
    pub fn attach(&self, file: &Path, serial: &str) -> Result<String> {
        let fits = (1..=LONGEST_SERIAL).contains(&serial.len())
            && serial
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !fits {
            return Err(Error::new(
                ErrorKind::State,
                format!("`{serial}` is no serial number: letters, digits and hyphens, at most 20"),
            ));
        }
        self.note(format!("attach {} as {serial}", file.display()));
        let node = format!("attached-{serial}");
        let slot = self.next_slot()?;
        self.monitor(
            "blockdev-add",
            json!({
                "driver": "raw", "node-name": node, "read-only": true,
                "file": { "driver": "file", "filename": file },
            }),
        )?;
        self.monitor(
            "device_add",
            json!({ "driver": "virtio-blk-pci", "id": format!("device-{serial}"), "drive": node, "serial": serial, "addr": format!("{slot:#x}") }),
        )?;
        lock(&self.0.attached).push(Attached {
            serial: serial.to_owned(),
            file: file.to_owned(),
            slot,
        });
        let device = format!("/dev/disk/by-id/virtio-{serial}");
        let wait = super::Wait::File(device.clone());
        self.wait_for(&wait, std::time::Duration::from_secs(20))?;
        Ok(device)
    }

    fn next_slot(&self) -> Result<u8> {
        let attached = lock(&self.0.attached);
        let slot = attached
            .iter()
            .map(|disk| disk.slot + 1)
            .max()
            .unwrap_or(FIRST_FREE_SLOT);
        match slot <= LAST_SLOT {
            true => Ok(slot),
            false => Err(Error::new(
                ErrorKind::State,
                format!("{} has no place for another disk", self.name()),
            )),
        }
    }
}
