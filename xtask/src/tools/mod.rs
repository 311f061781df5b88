//! The one place that spells other programs' arguments and reads what they print.

pub mod act;
pub mod actionlint;
pub mod apt;
pub mod cargo;
pub mod curl;
pub mod deploy_rs;
pub mod forgejo;
pub mod git;
pub mod nix;
pub mod npm;
pub mod pip;
pub mod renovate;
pub mod sops;
pub mod ssh;
pub mod ssh_keygen;
pub mod sshd;
pub mod tailscale;
pub mod version;
