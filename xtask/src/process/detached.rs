//! A process that outlives this one on purpose. Until it is told otherwise it hears when we end: we hold its stdin.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use anyhow::{Context, Result};

/// Its two pipes. Dropping this closes them, and nothing else.
#[derive(Debug)]
pub struct Detached {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    child: Child,
}

impl Detached {
    /// Starts a program that will leave our session by itself; its stderr goes to a file.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(program: &Path, args: &[&str], log: File) -> Result<Self> {
        let mut child = std::process::Command::new(program)
            .args(args)
            // Not in whatever folder somebody may want to remove.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("{} has no pipes", program.display());
        };
        Ok(Self {
            stdin,
            stdout: BufReader::new(stdout),
            child,
        })
    }

    /// # Errors
    /// If it has ended.
    pub fn tell(&mut self, line: &str) -> Result<()> {
        writeln!(self.stdin, "{line}")
            .and_then(|()| self.stdin.flush())
            .context("it has ended")
    }

    /// The next line that it says; none when it said its last and ended.
    ///
    /// # Errors
    /// If the pipe cannot be read.
    pub fn hear(&mut self) -> Result<Option<String>> {
        let mut line = String::new();
        if self.stdout.read_line(&mut line)? == 0 {
            self.child.wait()?;
            return Ok(None);
        }
        Ok(Some(line))
    }
}
