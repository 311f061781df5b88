//! The serial console: its log, its socket, and a root shell on it for a person.

use std::path::PathBuf;

use super::{Exec, Machine};
use crate::error::{Error, ErrorKind, Result};
use crate::qemu::args;

/// The terminal of whoever attaches, of which a serial line tells nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terminal {
    /// As in TERM.
    pub name: String,
    pub rows: u16,
    pub columns: u16,
}

/// $1: TERM, $2: rows, $3: columns. A shell of an earlier visit goes on.
const SHELL: &str = r#"stty -F /dev/ttyS0 rows "$2" cols "$3" || true
if systemctl is-active --quiet harness-console.service; then exit 0; fi
systemctl stop serial-getty@ttyS0.service 2>/dev/null || true
shell=$(command -v bash) || shell=/bin/sh
exec systemd-run --quiet --collect --unit=harness-console --description="A root shell on the serial console" \
  -p StandardInput=tty-force -p StandardOutput=tty -p StandardError=tty -p TTYPath=/dev/ttyS0 \
  -p TTYReset=yes -p TTYVHangup=yes -p TTYRows="$2" -p TTYColumns="$3" \
  -p Restart=always -p RestartSec=0 -p WorkingDirectory=/root -p KillMode=process -p SendSIGHUP=yes \
  -E HOME=/root -E USER=root -E LOGNAME=root -E SHELL="$shell" -E TERM="$1" "$shell" -l"#;

impl Machine {
    /// The serial console's log: firmware, loader, kernel.
    pub fn console(&self) -> PathBuf {
        self.0.run.logs().join(format!("{}.console", self.name()))
    }

    /// The serial console itself, a unix socket: what is written there is typed. One at a time is served.
    pub fn console_socket(&self) -> PathBuf {
        self.0.sockets.join(args::CONSOLE)
    }

    /// The last lines of the console, without escape sequences.
    pub fn console_tail(&self, lines: usize) -> String {
        self.vm()
            .map_or_else(|_| String::new(), |vm| vm.console_tail(lines))
    }

    /// The same of a machine that is off, too.
    pub(crate) fn console_lines(&self, lines: usize) -> Vec<String> {
        let text = crate::qemu::process::console_tail(&self.console(), lines);
        text.lines().map(str::to_owned).collect()
    }

    /// Puts a root shell on the serial console, over the agent; one that is there already goes on.
    ///
    /// # Errors
    /// Those of `exec`, and `Command` if the guest starts none.
    pub fn console_shell(&self, terminal: &Terminal) -> Result<()> {
        let (rows, columns) = (terminal.rows.to_string(), terminal.columns.to_string());
        let argv = [
            "/bin/sh",
            "-c",
            SHELL,
            "console",
            &terminal.name,
            &rows,
            &columns,
        ];
        let output = self.exec(Exec::new(argv))?;
        match output.success() {
            true => Ok(()),
            false => Err(Error::new(
                ErrorKind::Command,
                format!(
                    "no shell on the console of {}: {}",
                    self.name(),
                    output.last_lines(3)
                ),
            )),
        }
    }
}
