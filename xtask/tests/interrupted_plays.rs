//! Ctrl-C, a supervisor's SIGTERM and a closed terminal while a scenario is played: no machine and no file is left.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

mod processes;
mod support;

/// Played by `cargo xtask test machines`.
mod with_a_machine {
    use std::collections::BTreeSet;
    use std::os::unix::process::CommandExt;
    use std::path::PathBuf;
    use std::process::{Child, Stdio};
    use std::time::{Duration, Instant};

    use nix::sys::signal::{killpg, Signal};
    use nix::unistd::Pid;

    use super::processes::processes;
    use super::support::{self, entries, repository};

    /// Generations are built and machines restored, or made for the first time.
    const PATIENCE: Duration = Duration::from_secs(900);

    /// In a process group of its own, as a shell starts what it runs.
    struct Plays(Child);

    impl Plays {
        fn signal(&self, signal: Signal) {
            let group = Pid::from_raw(self.0.id().cast_signed());
            let _ = killpg(group, signal); // It may be gone.
        }
    }

    impl Drop for Plays {
        fn drop(&mut self) {
            self.signal(Signal::SIGKILL);
            let _ = self.0.wait(); // Whoever waited for it already has all there is.
        }
    }

    #[test]
    fn interrupted_plays_leave_nothing() {
        let Some(shared) = support::cache_with_machines(&["deploy-rs-", "sops-"]) else {
            return;
        };
        if support::nix().is_none() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let runs = || -> BTreeSet<PathBuf> {
            let of_ours = |run: &PathBuf| {
                let name = run.file_name().unwrap().to_string_lossy();
                name.starts_with("test-branch-")
            };
            let all = entries(&shared.join("machines/runs"));
            all.into_iter().filter(of_ours).collect()
        };
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let temporary = tempfile::tempdir().unwrap();
            let log = dir.path().join(format!("{signal}.log"));
            let before = runs();
            let mut command = support::xtask(&shared);
            command
                .env("SLIPWAY_STATE", dir.path())
                .args(["--stage", "rehearsal", "--no-setup", "--plain"])
                .args(["vm-test", "test-branch"])
                .current_dir(repository())
                .env("TMPDIR", temporary.path())
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(std::fs::File::create(&log).unwrap())
                .process_group(0);
            let mut plays = Plays(command.spawn().unwrap());
            let said = || std::fs::read_to_string(&log).unwrap();
            let started = Instant::now();
            // `test-branch: 3/8 next is deployed as a test`: not each step is printed.
            let at_a_step = |line: &str| line.starts_with("test-branch: ") && line.contains('/');
            while !said().lines().any(at_a_step) {
                let ended = plays.0.try_wait().unwrap();
                assert!(
                    ended.is_none() && started.elapsed() < PATIENCE,
                    "{}",
                    said()
                );
                std::thread::sleep(Duration::from_millis(100));
            }
            let new: Vec<PathBuf> = runs().difference(&before).cloned().collect();
            let of = |run: &PathBuf| processes(&run.display().to_string());
            assert!(new.iter().any(|run| !of(run).is_empty()), "no machine runs");

            plays.signal(signal);
            let status = plays.0.wait().unwrap();
            assert_eq!(status.code(), Some(130), "{signal}: {}", said());
            for run in &new {
                assert_eq!(of(run), Vec::<String>::new(), "{signal}");
                assert!(!run.exists(), "{signal}: {}", run.display());
            }
            let left = entries(temporary.path());
            assert_eq!(left, BTreeSet::new(), "{signal}");
        }
    }
}
