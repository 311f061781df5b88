//! The one place that spells other programs' arguments and reads what they print.

pub mod git;
pub mod nix;
