//! QEMU's command line as a pure function of what is to run. Nothing is started here.
//! What a snapshot depends on is in `model_arguments`; ports, paths and addresses may differ between copies.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::tools::Tools;

/// What runs the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Accelerator {
    Kvm,
    Tcg,
}

/// How a machine comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Boot {
    /// OVMF and systemd-boot: what boots next is what firmware and loader decide.
    Firmware,
    /// The image's kernel handed over by QEMU: seconds faster, and only for machines that never reboot.
    Direct,
    /// The same with Debian's own initramfs (the recipe must have asked for it), for comparisons.
    DirectDebianInitramfs,
}

/// The machine that a guest sees. A snapshot fits one model only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Model {
    /// MiB.
    pub memory_mib: u32,
    pub cpus: u32,
    pub boot: Boot,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            memory_mib: 512,
            cpus: 2,
            boot: Boot::Firmware,
        }
    }
}

/// A port of the guest reached on 127.0.0.1 of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Forward {
    /// 0: any free one.
    pub host: u16,
    pub guest: u16,
}

/// All that a command line is made of.
pub(crate) struct Launch<'a> {
    pub tools: &'a Tools,
    pub name: &'a str,
    pub model: Model,
    pub accelerator: Accelerator,
    pub disk: PathBuf,
    /// Raw: a qcow2 of the firmware's variables loses writes at a power cut.
    pub vars: PathBuf,
    pub kernel: PathBuf,
    pub initrd: PathBuf,
    pub kernel_options: &'a str,
    pub sockets: PathBuf,
    pub console: PathBuf,
    pub pid_file: PathBuf,
    pub forwards: &'a [Forward],
    /// Whether the guest reaches anything beyond the host's loopback forwards.
    pub outbound: bool,
    /// The socket of its port on the machines' network, if it is on one.
    pub lan: Option<PathBuf>,
    /// The address of the card for it, which is there in any case.
    pub mac: &'a str,
    /// Disks that were added while it ran and that the state to be restored has.
    pub attached: &'a [Attached],
    /// Waits for a snapshot's state instead of booting.
    pub incoming: bool,
}

/// A read-only disk that was added to a running machine, and its place, which a state that is restored must meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attached {
    pub serial: String,
    pub file: PathBuf,
    pub slot: u8,
}

/// The first PCI slot for disks that are added; those before it belong to the machine.
pub(crate) const FIRST_FREE_SLOT: u8 = 0x10;

/// The sockets of a machine, in its folder for sockets.
pub(crate) const QMP: &str = "qmp";
pub(crate) const AGENT: &str = "agent";
pub(crate) const CONSOLE: &str = "console";
pub(crate) const CABLE_NIC: &str = "nic";
pub(crate) const CABLE_UPLINK: &str = "uplink";

/// The longest of these names.
pub(crate) const LONGEST_SOCKET_NAME: &str = CONSOLE;

pub(crate) const CONTROL_MAC: &str = "52:54:00:00:00:01";
pub(crate) const NO_LAN_MAC: &str = "52:54:00:00:00:02";

/// The part that a snapshot depends on.
pub(crate) fn model_arguments(model: Model, accelerator: Accelerator) -> Vec<String> {
    let (accel, cpu) = match accelerator {
        Accelerator::Kvm => ("kvm", "host"),
        // Without a bound the translated code grows by 200 MiB a boot, for ever.
        // EPYC is a second of a boot faster than `max`, and as correct. SVM would have udev load KVM in the guest.
        Accelerator::Tcg => ("tcg,thread=multi,tb-size=256", "EPYC,-svm"),
    };
    [
        "-machine",
        "pc,usb=off,vmport=off",
        "-accel",
        accel,
        "-cpu",
        cpu,
        "-smp",
        &model.cpus.to_string(),
        "-m",
        &model.memory_mib.to_string(),
    ]
    .map(str::to_owned)
    .to_vec()
}

pub(crate) fn arguments(launch: &Launch) -> Vec<OsString> {
    let mut args = Arguments(Vec::new());
    for dir in &launch.tools.qemu_data {
        args.pair("-L", path(dir));
    }
    for flag in ["-nodefaults", "-no-user-config"] {
        args.0.push(flag.into());
    }
    args.pair("-display", "none");
    args.pair("-name", escape(launch.name));
    for word in model_arguments(launch.model, launch.accelerator) {
        args.0.push(word.into());
    }
    boot(&mut args, launch);
    args.pair(
        "-blockdev",
        format!(
            "driver=qcow2,node-name=disk,file.driver=file,file.filename={}",
            path(&launch.disk)
        ),
    );
    args.pair(
        "-device",
        "virtio-blk-pci,id=disk-device,drive=disk,bootindex=1",
    );
    network(&mut args, launch);
    control(&mut args, launch);
    attached(&mut args, launch);
    // A panic is an event, not a reboot: the guest stands still until somebody looks.
    args.pair("-device", "pvpanic-pci");
    args.pair("-action", "panic=pause");
    args.pair("-rtc", "base=utc");
    if launch.incoming {
        args.pair("-incoming", "defer");
    }
    args.0
}

fn boot(args: &mut Arguments, launch: &Launch) {
    match launch.model.boot {
        Boot::Firmware => {
            let code = path(&launch.tools.ovmf_code);
            args.pair(
                "-drive",
                format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"),
            );
            let vars = path(&launch.vars);
            args.pair("-drive", format!("if=pflash,unit=1,format=raw,file={vars}"));
        }
        Boot::Direct | Boot::DirectDebianInitramfs => {
            args.pair("-kernel", launch.kernel.as_os_str());
            args.pair("-initrd", launch.initrd.as_os_str());
            args.pair("-append", launch.kernel_options);
        }
    }
}

/// The control network is QEMU's user network behind a cable through this process, where it can be cut and slowed:
/// user network — hub — stream `uplink` — our cable — stream `nic` — the guest's eth0.
fn network(args: &mut Arguments, launch: &Launch) {
    let mut user = "user,id=user".to_owned();
    if !launch.outbound {
        user.push_str(",restrict=on");
    }
    for Forward { host, guest } in launch.forwards {
        user.push_str(&format!(",hostfwd=tcp:127.0.0.1:{host}-:{guest}"));
    }
    args.pair("-netdev", user);
    let stream = |id: &str, file: &Path| {
        format!(
            "stream,id={id},server=off,addr.type=unix,addr.path={}",
            path(file)
        )
    };
    args.pair(
        "-netdev",
        stream("uplink", &launch.sockets.join(CABLE_UPLINK)),
    );
    args.pair("-netdev", "hubport,id=hub-user,hubid=0,netdev=user");
    args.pair("-netdev", "hubport,id=hub-uplink,hubid=0,netdev=uplink");
    args.pair(
        "-netdev",
        stream("control", &launch.sockets.join(CABLE_NIC)),
    );
    args.pair(
        "-device",
        format!("virtio-net-pci,id=nic-control,netdev=control,mac={CONTROL_MAC},romfile="),
    );
    // The second card is always there, so that one snapshot serves machines with and without a network.
    match &launch.lan {
        Some(socket) => args.pair("-netdev", stream("lan", socket)),
        None => args.pair("-netdev", "hubport,id=lan,hubid=1"),
    }
    let mac = launch.mac;
    args.pair(
        "-device",
        format!("virtio-net-pci,id=nic-lan,netdev=lan,mac={mac},romfile="),
    );
}

fn control(args: &mut Arguments, launch: &Launch) {
    let socket = |name: &str| path(&launch.sockets.join(name));
    args.pair("-device", "virtio-serial-pci");
    args.pair(
        "-chardev",
        format!("socket,id=agent,path={},server=on,wait=off", socket(AGENT)),
    );
    args.pair(
        "-device",
        "virtserialport,chardev=agent,name=org.qemu.guest_agent.0",
    );
    // Somebody may attach to it and type; the log goes on in any case.
    args.pair(
        "-chardev",
        format!(
            "socket,id=console,path={},server=on,wait=off,logfile={},logappend=on",
            socket(CONSOLE),
            path(&launch.console)
        ),
    );
    args.pair("-serial", "chardev:console");
    args.pair("-pidfile", launch.pid_file.as_os_str());
    args.pair("-qmp", format!("unix:{},server=on,wait=off", socket(QMP)));
}

fn attached(args: &mut Arguments, launch: &Launch) {
    for Attached { serial, file, slot } in launch.attached {
        args.pair(
            "-blockdev",
            format!(
                "driver=raw,node-name=attached-{serial},read-only=on,file.driver=file,file.filename={}",
                path(file)
            ),
        );
        args.pair(
            "-device",
            format!(
                "virtio-blk-pci,id=device-{serial},drive=attached-{serial},serial={serial},addr={slot:#x}"
            ),
        );
    }
}

struct Arguments(Vec<OsString>);

impl Arguments {
    fn pair(&mut self, flag: &str, value: impl Into<OsString>) {
        self.0.push(flag.into());
        self.0.push(value.into());
    }
}

/// In QEMU's option lists a comma is written twice.
fn escape(text: &str) -> String {
    text.replace(',', ",,")
}

fn path(path: &Path) -> String {
    escape(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(change: impl FnOnce(&mut Launch)) -> String {
        let tools = Tools::debian(Path::new("/t"));
        let mut launch = Launch {
            tools: &tools,
            name: "web",
            model: Model::default(),
            accelerator: Accelerator::Tcg,
            disk: "/r/disk,1".into(),
            vars: "/r/vars".into(),
            kernel: "/i/linux".into(),
            initrd: "/i/initrd".into(),
            kernel_options: "root=/dev/vda2",
            sockets: "/s".into(),
            console: "/r/console".into(),
            pid_file: "/r/pid".into(),
            forwards: &[Forward { host: 0, guest: 22 }],
            outbound: false,
            lan: None,
            mac: NO_LAN_MAC,
            attached: &[],
            incoming: false,
        };
        change(&mut launch);
        arguments(&launch)
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn the_host_is_reached_on_loopback_only_and_the_guest_reaches_nothing() {
        let line = line(|_| ());
        assert!(line.contains("user,id=user,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"));
        assert!(!line.contains("hostfwd=tcp::"));
    }

    #[test]
    fn commas_in_paths_do_not_end_an_option() {
        assert!(line(|_| ()).contains("file.filename=/r/disk,,1"));
    }

    #[test]
    fn firmware_and_direct_exclude_each_other() {
        let firmware = line(|_| ());
        assert!(firmware.contains("pflash,unit=1,format=raw,file=/r/vars"));
        assert!(!firmware.contains("-kernel"));
        let direct = line(|launch| launch.model.boot = Boot::Direct);
        assert!(direct.contains("-kernel /i/linux -initrd /i/initrd -append root=/dev/vda2"));
        assert!(!direct.contains("pflash"));
    }

    #[test]
    fn copies_of_a_snapshot_have_the_same_devices() {
        let devices = |line: &str| {
            let words: Vec<String> = line
                .split(" -device ")
                .skip(1)
                .map(|rest| rest.split(',').next().unwrap_or_default().to_owned())
                .collect();
            words
        };
        let alone = line(|_| ());
        let networked = line(|launch| {
            launch.lan = Some("/n/web".into());
            launch.mac = "52:54:00:01:02:03";
        });
        assert_eq!(devices(&alone), devices(&networked));
        assert!(networked.contains("mac=52:54:00:01:02:03"));
    }

    #[test]
    fn the_console_can_be_typed_into_and_is_logged_all_the_same() {
        assert!(line(|_| ()).contains(
            "socket,id=console,path=/s/console,server=on,wait=off,logfile=/r/console,logappend=on"
        ));
    }

    #[test]
    fn disks_that_were_added_come_back_to_their_places() {
        let disks = [Attached {
            serial: "store".into(),
            file: "/k/store.raw".into(),
            slot: FIRST_FREE_SLOT,
        }];
        let line = line(|launch| launch.attached = Box::leak(Box::new(disks)));
        assert!(line.contains("node-name=attached-store,read-only=on"));
        assert!(line.contains("drive=attached-store,serial=store,addr=0x10"));
    }

    #[test]
    fn a_panic_pauses_and_an_incoming_state_is_waited_for() {
        let line = line(|launch| launch.incoming = true);
        assert!(line.contains("-device pvpanic-pci -action panic=pause"));
        assert!(line.ends_with("-incoming defer"));
    }
}
