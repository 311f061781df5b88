//! Real Debian machines in QEMU for tests: images, snapshots, control, network, faults.
//! Knows nothing of what is tested on them.

mod cache;
mod error;
mod image;
mod process;
mod progress;
mod tools;

pub use error::{Error, ErrorKind, Result};
pub use image::{GuestFile, Image, Recipe};
pub use process::Output;
pub use progress::Progress;
pub use tools::Tools;

#[cfg(test)]
mod tests {
#[test]
fn proto() {
    let c = crate::cache::Cache::open(std::path::Path::new("/work/tmp/harness/cache")).unwrap();
    let t = crate::Tools::debian(std::path::Path::new("/work/tmp/harness/tools"));
    t.check().unwrap();
    let r = crate::Recipe::debian_13().packages(["nix-bin","nix-setup-systemd","nginx-light","nftables"]);
    let s = std::time::Instant::now();
    let i = crate::image::provide(&c, &t, &r, &crate::Progress::new(|a,b| eprintln!("{a}: {b}"))).map_err(|e| format!("{e}")).unwrap();
    eprintln!("{:?} {:?}", i.disk(), s.elapsed());
}
}
