//! The files that every guest has, and the script that finishes its root. Plain text; kept apart from the builder.

/// Path in the guest, mode, content. What systemd reads lies below /usr/lib: a guest may be given a configuration that
/// owns /etc/systemd as a whole.
pub(super) const FILES: &[(&str, u32, &str)] = &[
    (
        "/usr/lib/harness/initramfs-init",
        0o755,
        include_str!("initramfs-init"),
    ),
    (
        "/usr/lib/harness/kernel-options",
        0o644,
        include_str!("kernel-options"),
    ),
    (
        "/usr/lib/harness/masked-units",
        0o644,
        include_str!("masked-units"),
    ),
    ("/usr/lib/harness/network", 0o755, include_str!("network")),
    ("/usr/lib/harness/identify", 0o755, include_str!("identify")),
    (
        "/usr/lib/systemd/system/boot.mount",
        0o644,
        include_str!("boot.mount"),
    ),
    (
        "/usr/lib/systemd/system/harness-network.service",
        0o644,
        include_str!("harness-network.service"),
    ),
    (
        "/usr/lib/systemd/system/qemu-guest-agent.service.d/harness.conf",
        0o644,
        include_str!("agent.conf"),
    ),
    (
        "/usr/lib/systemd/system.conf.d/harness.conf",
        0o644,
        "[Manager]\nDefaultTimeoutStopSec=30s\n",
    ),
    (
        "/usr/lib/systemd/journald.conf.d/harness.conf",
        0o644,
        "[Journal]\nSystemMaxUse=64M\nRateLimitIntervalSec=0\n",
    ),
    (
        "/usr/lib/systemd/network/10-harness.network",
        0o644,
        include_str!("lan.network"),
    ),
    (
        "/etc/modprobe.d/harness.conf",
        0o644,
        include_str!("modprobe.conf"),
    ),
    (
        "/etc/ssh/sshd_config.d/00-harness.conf",
        0o644,
        include_str!("sshd.conf"),
    ),
];

/// Run inside the new root by /bin/sh.
pub(super) const FINISH: &str = include_str!("finish.sh");

/// The kernel's command line of an image's own boot entry, for whoever writes other entries.
///
/// Timers are periodic (`nohz=off highres=off`): an emulated processor sometimes misses an interrupt, and a timer that
/// is armed for one only never comes back; the kernel then stands still before it has started anything.
pub fn kernel_options() -> &'static str {
    include_str!("kernel-options").trim_ascii_end()
}
