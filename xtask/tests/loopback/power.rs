//! A host's power, and the sshd that it comes up with.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{guarded, Loopback, SSHD};

impl Loopback {
    /// Switches the host on.
    pub fn start(&mut self, name: &str) {
        let root = self.root(name);
        let guard = self.host(name).guard.clone();
        let services = guard.map_or_else(String::new, |guard| {
            format!("{guard} boot && {{ {guard} serve & }} &&")
        });
        let script = format!(
            "mount --bind {0}/run /run && mount --bind {0}/profiles /nix/var/nix/profiles && \
             mount --bind {0}/tmp /var/tmp && {services} exec {SSHD} -D -e -f {0}/sshd_config",
            root.display()
        );
        // One that was told to reboot boots what its profile leads to; one that is broken does not come up.
        let power = format!(
            "while :; do\n\
               unshare --mount --propagation private --pid --fork --kill-child --mount-proc sh -c {services:?}\n\
               [ -e {0}/run/reboot ] && ! [ -e {0}/broken ] || exit\n\
               rm -rf {0}/run/reboot {0}/guard/run\n\
               system=$(dirname $(readlink -f {0}/profiles/system/init))\n\
               ln -sfn $system {0}/run/current-system\n\
               ln -sfn $system {0}/run/booted-system\n\
               cat /proc/sys/kernel/random/uuid > {0}/run/boot-id\n\
             done",
            root.display(),
            services = script,
        );
        let log = std::fs::File::create(root.join("sshd.log")).unwrap();
        let child = Command::new("unshare")
            // With processes of its own it can be asked what it is about, and ends as a whole.
            .args(["--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", &power])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let host = self.host(name);
        host.sshd = Some(child);
        let address = format!("127.0.0.1:{}", host.port);
        let started = Instant::now();
        let wait = || {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "sshd of {name} does not listen"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        while std::net::TcpStream::connect(&address).is_err() {
            wait();
        }
        // Once it is logged, nobody takes it for a connection that comes later.
        while self.connections(name) == 0 {
            wait();
        }
    }

    /// How often somebody connected to the host since it was started; the look at whether it listens is the first.
    pub fn connections(&self, name: &str) -> usize {
        let log = std::fs::read_to_string(self.root(name).join("sshd.log")).unwrap();
        let lines = log.lines();
        lines
            .filter(|line| line.starts_with("Connection from "))
            .count()
    }

    /// From its next start on, every command of the host is this script's, which reads `SSH_ORIGINAL_COMMAND`.
    pub fn force(&self, name: &str, script: &str) {
        let root = self.root(name);
        let file = root.join("forced");
        guarded::write_program(&file, &format!("#!/bin/sh\n{script}\n"));
        let config = root.join("sshd_config");
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}ForceCommand {}\n", file.display())).unwrap();
    }

    /// Switches the host off.
    pub fn stop(&mut self, name: &str) {
        if let Some(mut sshd) = self.host(name).sshd.take() {
            sshd.kill().unwrap();
            sshd.wait().unwrap();
        }
        // The kernel takes its time with the processes of a name space, and they have the port.
        let address = format!("127.0.0.1:{}", self.host(name).port);
        let started = Instant::now();
        while std::net::TcpStream::connect(&address).is_ok() {
            assert!(
                started.elapsed() < Duration::from_secs(10),
                "sshd of {name} does not end"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
