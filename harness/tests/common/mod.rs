//! What the tests with real guests share: the tools, one cache, one image; and a skip that is said aloud.

use std::path::{Path, PathBuf};

use harness::{Harness, Image, Options, Origin, Progress, Recipe, Run, Spec, Tools, Wanted};

/// Where the tools are unpacked (docs/harness.md says how); `/` if Debian's packages are installed.
pub fn tools() -> Tools {
    let prefix =
        std::env::var_os("HARNESS_TOOLS").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    Tools::debian(&prefix)
}

/// Where images, snapshots and runs lie.
pub fn cache() -> PathBuf {
    std::env::var_os("HARNESS_CACHE")
        .map_or_else(|| std::env::temp_dir().join("harness-tests"), PathBuf::from)
}

/// `None` when this machine has not what guests need: a reported skip, and a failure where skips are not allowed.
pub fn harness() -> Option<Harness> {
    let opened = Harness::open(Options {
        tools: tools(),
        cache: cache(),
        accelerator: Wanted::Auto,
        timeout_scale: 1.0,
        progress: Progress::new(|object, step| eprintln!("{object}: {step}")),
    });
    match opened {
        Ok(harness) => Some(harness),
        Err(error) => {
            let next = error.next_step().unwrap_or("see docs/harness.md");
            println!("skip: no guests here: {error}; try: {next}");
            assert!(
                std::env::var_os("HARNESS_REQUIRED").is_none(),
                "HARNESS_REQUIRED is set and guests cannot run: {error}"
            );
            None
        }
    }
}

pub fn recipe() -> Recipe {
    Recipe::debian_13().packages(["nginx-light"])
}

/// Harness, image and run of one test.
pub struct Place {
    pub image: Image,
    pub run: Run,
    // Dropped last: the machines write there.
    _logs: Logs,
}

/// The folder of a test's logs, below `target/tmp`. It stays when the test fails, for that is where the failure's
/// message sends its reader.
pub struct Logs(PathBuf);

impl Logs {
    pub fn create(name: &str) -> Self {
        let folder = format!("logs-{name}-{}", std::process::id());
        Self(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(folder))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the logs of the machines are in {}", self.0.display());
        } else {
            // Whatever cannot be removed is in nobody's way.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}

pub fn place(name: &str) -> Option<Place> {
    let harness = harness()?;
    let image = ok(harness.image(&recipe()));
    let logs = Logs::create(name);
    let run = ok(harness.run(name, logs.path()));
    Some(Place {
        image,
        run,
        _logs: logs,
    })
}

impl Place {
    pub fn machine(&self, name: &str) -> harness::Machine {
        ok(self.run.start(&self.image, Spec::new(name), Origin::Up))
    }
}

/// The value, or a panic with the error as a person would read it.
pub fn ok<T>(result: harness::Result<T>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}\ntry: {}", error.next_step().unwrap_or("-")),
    }
}
