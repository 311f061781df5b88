//! The rehearsal stand-in is embedded in xtask: a file that is added to it must lead to a new build, as a changed one does.

fn main() {
    println!("cargo::rerun-if-changed=../nix/rehearsal");
}
