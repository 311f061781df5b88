//! `slipway-guard`. So far it says its version; what it is to do is added door by door.

fn main() {
    use std::io::Write;
    // Whoever closed stdout does not want to know.
    let _ = writeln!(
        std::io::stdout(),
        "slipway-guard {}",
        env!("CARGO_PKG_VERSION")
    );
}
