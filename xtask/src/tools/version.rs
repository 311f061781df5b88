//! Version numbers as tools print them.

use std::fmt;

use serde::Serialize;

/// Major and minor are enough for every requirement that xtask has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
}

impl Version {
    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The version in the first line that `--version` prints.
    ///
    /// What stands in brackets is a fork's own number or a date: `nix (Determinate Nix 3.5.2) 2.28.3`.
    pub fn find(printed: &str) -> Option<Self> {
        let line = printed.lines().next()?;
        let mut depth = 0_usize;
        let mut outside = String::new();
        for c in line.chars() {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ if depth == 0 => outside.push(c),
                _ => (),
            }
        }
        outside
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(Self::parse)
    }

    fn parse(word: &str) -> Option<Self> {
        let mut numbers = word
            .split(|c: char| !c.is_ascii_digit())
            .map(str::parse::<u32>);
        let major = numbers.next()?.ok()?;
        let minor = numbers.next()?.ok()?;
        Some(Self { major, minor })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{}", self.major, self.minor))
    }
}

impl Serialize for Version {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_tools_print() {
        for (printed, version) in [
            ("nix (Nix) 2.26.3", Some((2, 26))),
            ("nix (Nix) 2.34.0pre20250926_d1f7530", Some((2, 34))),
            (
                "nix (Lix, like Nix) 2.91.1\nSystem type: x86_64-linux",
                Some((2, 91)),
            ),
            ("nix (Determinate Nix 3.5.2) 2.28.3", Some((2, 28))),
            ("git version 2.39.5 (Apple Git-154)", Some((2, 39))),
            ("cargo 1.88.0 (873a06493 2025-05-10)", Some((1, 88))),
            ("deploy-rs 1.0.0", Some((1, 0))),
            ("act version 0.2.89", Some((0, 2))),
            ("nix", None),
            ("", None),
        ] {
            let expected = version.map(|(major, minor)| Version::new(major, minor));
            assert_eq!(Version::find(printed), expected, "{printed}");
        }
    }

    #[test]
    fn minor_versions_compare_as_numbers() {
        assert!(Version::new(2, 8) < Version::new(2, 18));
    }
}
