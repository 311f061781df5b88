#![no_main]

#[allow(dead_code)] // Each program uses its own one.
#[path = "../targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    targets::hydra(bytes);
});
