//! One step that takes a while: a live bar for a person who watches, else a line now and then.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A step with a known end. Gone from the screen when dropped; what stays is what `say` printed.
pub struct Progress {
    title: String,
    bar: Option<ProgressBar>,
    /// The last quarter that was told in plain lines.
    told: u8,
}

impl Progress {
    pub fn start(live: bool, title: impl Into<String>) -> Self {
        let title = title.into();
        let bar = live.then(|| {
            let bar = ProgressBar::new(100);
            if let Ok(style) =
                ProgressStyle::with_template("{spinner} {prefix} [{bar:24}] {pos:>3} % {wide_msg}")
            {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.set_prefix(title.clone());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            title,
            bar,
            told: 0,
        }
    }

    /// How far the step is, 0 to 100, and what it is at.
    pub fn at(&mut self, percent: f32, detail: &str) {
        let percent = percent.clamp(0.0, 100.0);
        if let Some(bar) = &self.bar {
            // In range, see above.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            bar.set_position(percent as u64);
            bar.set_message(detail.to_owned());
            return;
        }
        let quarters = [25.0, 50.0, 75.0];
        let reached = quarters.iter().filter(|quarter| percent >= **quarter);
        let reached = u8::try_from(reached.count()).unwrap_or(u8::MAX);
        if reached > self.told {
            self.told = reached;
            super::say(&format!("{}: {} %", self.title, u16::from(reached) * 25));
        }
    }

    /// What the step is at, when nobody knows how much is left.
    pub fn detail(&mut self, detail: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(detail.to_owned());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
