//! The entry: tools, cache, accelerator and speed of this host, shared by all runs of a process.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::accel::{self, Wanted};
use crate::cache::{Cache, Lock};
use crate::error::Result;
use crate::gc::{self, Collected};
use crate::image::{self, Image, Recipe};
use crate::progress::Progress;
use crate::qemu::Accelerator;
use crate::run::Run;
use crate::runs::{self, LivingRun};
use crate::tools::Tools;

/// More boots at a time than this take longer together than one after the other (measured on two CPUs under TCG).
const BOOTS_AT_ONCE: usize = 2;

/// What the caller decides.
#[derive(Debug, Clone)]
pub struct Options {
    pub tools: Tools,
    /// Images, snapshots and packages; shared by processes, bounded by `Harness::collect_garbage`.
    pub cache: PathBuf,
    pub accelerator: Wanted,
    /// All time-outs are multiplied by this, beside the measured speed.
    pub timeout_scale: f64,
    pub progress: Progress,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Harness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    cache: Cache,
}

impl Harness {
    /// Looks at the tools and opens the cache.
    ///
    /// # Errors
    /// `ToolMissing`, `ToolTooOld`, `Io`.
    pub fn open(options: Options) -> Result<Self> {
        options.tools.check()?;
        let harness = Self::with_unseen(options)?;
        harness.cache().create()?;
        Ok(harness)
    }

    /// With tools that nobody has looked at, and a cache that need not be there.
    pub(crate) fn with_unseen(options: Options) -> Result<Self> {
        let cache = Cache::at(&options.cache)?;
        Ok(Self(Arc::new(Inner { options, cache })))
    }

    /// For looking at a cache and collecting its garbage, where there are no tools: whatever needs one fails. Only the
    /// collection writes; a cache that is not there is an empty one.
    ///
    /// # Errors
    /// `Io`.
    pub fn without_tools(cache: &Path) -> Result<Self> {
        Self::with_unseen(Options {
            tools: Tools::debian(Path::new("/")),
            cache: cache.to_owned(),
            accelerator: Wanted::Auto,
            timeout_scale: 1.0,
            progress: Progress::silent(),
        })
    }

    /// The image of a recipe, built if the cache does not have it (about a minute; 300 MiB on the disk).
    ///
    /// # Errors
    /// `Download`, `ImageBuild`, `NoSpace`.
    pub fn image(&self, recipe: &Recipe) -> Result<Image> {
        image::provide(self.cache(), self.tools(), recipe, self.progress())
    }

    /// What machines of this image will run on, and how slow this host is; measured once a boot of the host.
    pub fn speed(&self, image: &Image) -> Result<Speed> {
        accel::measure(self, image, self.0.options.accelerator)
    }

    /// A place for machines. Logs go to `logs` and stay there.
    pub fn run(&self, name: &str, logs: &Path) -> Result<Run> {
        Run::create(self, name, logs)
    }

    /// The runs of this cache that are alive, those of other processes included.
    pub fn living_runs(&self) -> Result<Vec<LivingRun>> {
        runs::living(self.cache())
    }

    /// Removes what dead runs left, then the longest unused snapshots and images until the cache has at most
    /// `limit` bytes on the disk. What is in use stays.
    pub fn collect_garbage(&self, limit: u64) -> Result<Collected> {
        gc::collect(self.cache(), limit)
    }

    /// Permission to boot, to be held until the machine is up; for reboots that a guest starts on its own.
    ///
    /// # Errors
    /// `Busy` when other boots of this host do not end within a quarter of an hour.
    pub fn boot_slot(&self) -> Result<BootSlot> {
        let lock = self
            .cache()
            .slot("boot", BOOTS_AT_ONCE, Duration::from_secs(900))?;
        Ok(BootSlot { _lock: lock })
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    pub(crate) fn tools(&self) -> &Tools {
        &self.0.options.tools
    }

    pub(crate) fn progress(&self) -> &Progress {
        &self.0.options.progress
    }

    pub(crate) fn timeout_scale(&self) -> f64 {
        self.0.options.timeout_scale
    }
}

/// One of the places for boots on this host; given back when dropped.
#[derive(Debug)]
pub struct BootSlot {
    _lock: Lock,
}

/// What machines run on, and how much longer than on the reference machine things take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    pub accelerator: Accelerator,
    /// Host seconds for one guest second of a time-out.
    pub scale: f64,
}
