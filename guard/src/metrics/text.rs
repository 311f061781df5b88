//! Prometheus' text format: the families that there are, and how their samples are written. Pure.

use std::fmt::Write;

/// Every family that the collector writes, in the order of the file; each is a gauge.
pub const FAMILIES: [(&str, &str); 16] = [
    (
        "nixos_current_generation",
        "Newest generation of the system profile that leads to what runs; 0 if none does.",
    ),
    (
        "nixos_boot_generation",
        "The same of what boots next if nothing happens.",
    ),
    (
        "nixos_booted_generation",
        "The same of what was booted.",
    ),
    (
        "nixos_config_age_seconds",
        "Since what runs became a generation; if it is none, since it was activated.",
    ),
    (
        "nixos_reboot_required",
        "1 if something of what is configured only comes into effect with a reboot.",
    ),
    (
        "nixos_reboot_reason",
        "1 for each reason why a reboot is due.",
    ),
    (
        "nixos_test_activation",
        "1 if what runs is there until the next boot only.",
    ),
    (
        "nixos_test_activation_until_seconds",
        "When the lease of the test activation ends, in seconds since 1970.",
    ),
    (
        "nixos_system_info",
        "1 for what runs, what boots next and what was booted; the commit is empty if no release brought it.",
    ),
    (
        "nixos_deployment_last_success",
        "1 if the last deployment ended as it was meant to.",
    ),
    (
        "nixos_deployment_last_time_seconds",
        "When the last deployment ended, in seconds since 1970.",
    ),
    (
        "nixos_deployment_last_info",
        "1 for the last deployment: what it was for, and how it ended.",
    ),
    (
        "nixos_release_counter",
        "Counter of the newest release that was deployed for good; 0 if none was.",
    ),
    (
        "nixos_running_release_counter",
        "Counter of the release that brought what runs; 0 if none did.",
    ),
    ("nixos_guard", "1 if the host has a guard."),
    (
        "nixos_cache_up",
        "1 if the binary cache answers this host.",
    ),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// One of `FAMILIES`.
    pub name: &'static str,
    pub labels: Vec<(&'static str, String)>,
    pub value: u64,
}

impl Sample {
    pub fn new(name: &'static str, value: u64) -> Self {
        Self {
            name,
            labels: Vec::new(),
            value,
        }
    }

    #[must_use]
    pub fn label(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }
}

/// The file's text: families without samples are left out.
pub fn render(samples: &[Sample]) -> String {
    let mut text = String::new();
    for (name, help) in FAMILIES {
        let mut own = samples
            .iter()
            .filter(|sample| sample.name == name)
            .peekable();
        if own.peek().is_some() {
            text += &format!("# HELP {name} {help}\n# TYPE {name} gauge\n");
        }
        for sample in own {
            text += &line(sample);
        }
    }
    text
}

fn line(sample: &Sample) -> String {
    let mut line = sample.name.to_owned();
    for (index, (name, value)) in sample.labels.iter().enumerate() {
        let before = if index == 0 { '{' } else { ',' };
        // Writing to a string does not fail.
        let _ = write!(line, "{before}{name}=\"{}\"", escaped(value));
    }
    if !sample.labels.is_empty() {
        line.push('}');
    }
    let _ = writeln!(line, " {}", sample.value);
    line
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_below_their_family_and_labels_are_escaped() {
        let samples = [
            Sample::new("nixos_cache_up", 0).label("url", "http://a\"\\\n"),
            Sample::new("nixos_reboot_reason", 1).label("reason", "kernel"),
            Sample::new("nixos_reboot_required", 1),
            Sample::new("nixos_reboot_reason", 1).label("reason", "initrd"),
        ];
        let values: Vec<String> = render(&samples)
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        assert_eq!(
            values,
            [
                "nixos_reboot_required 1",
                "nixos_reboot_reason{reason=\"kernel\"} 1",
                "nixos_reboot_reason{reason=\"initrd\"} 1",
                r#"nixos_cache_up{url="http://a\"\\\n"} 0"#,
            ]
        );
        assert!(!render(&samples).contains("nixos_guard"));
    }
}
