//! The fuzz targets (fuzz/targets.rs) without a fuzzer: the corpus as it is, and a fixed number of inputs made from it,
//! the same at every run. cargo-fuzz looks further, and needs a nightly compiler.
#![allow(clippy::unwrap_used)] // A test that unwraps fails where it should.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::Path;

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// Inputs for each target; `SLIPWAY_FUZZ_CASES` has another number made.
const CASES: u32 = 4000;

/// Files of a target by their names. What begins with `good` is taken, all else is not.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn the_corpus_is_taken_or_refused_as_its_names_say() {
    for (target, taken) in targets::ALL {
        let files = corpus(target);
        for (name, bytes) in &files {
            assert_eq!(taken(bytes), name.starts_with("good"), "{target}/{name}");
        }
        let good = files.iter().filter(|(name, _)| name.starts_with("good"));
        assert!(good.count() > 0, "{target}: nothing to begin with");
    }
}

/// One change to the bytes.
#[derive(Debug, Clone)]
enum Change {
    Byte(Index, u8),
    Flip(Index, u8),
    Cut(Index, Index),
    Repeat(Index, Index),
    Put(Index, &'static str),
    /// The end of another file.
    Splice(Index, Index, Index),
}

/// What means something to one of the parsers.
const WORDS: [&str; 38] = [
    "'",
    "\"",
    " ",
    "  ",
    "\n",
    "\0",
    "\\",
    "/",
    "..",
    ";",
    "$(",
    "-",
    "--",
    "=",
    ":",
    ",",
    "{",
    "}",
    "[",
    "]",
    "null",
    "true",
    "0",
    "-1",
    "1e9",
    "18446744073709551616",
    "--boot",
    "--test",
    "--wait 1",
    "\u{e9}",
    "\u{202e}",
    "\\u0000",
    "\\ud800",
    "/nix/store/",
    "sudo -u root ",
    "\"ca\":null,",
    "\"version\":2,",
    "\"hosts\":{},",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Cut(from, to)),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (any::<Index>(), proptest::sample::select(&WORDS[..]))
            .prop_map(|(at, word)| Change::Put(at, word)),
        (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(file, from, at)| Change::Splice(file, from, at)),
    ]
}

fn changed(mut bytes: Vec<u8>, changes: &[Change], files: &[(String, Vec<u8>)]) -> Vec<u8> {
    /// Longer ones only take longer.
    const LONGEST: usize = 16 * 1024;
    for change in changes {
        let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        let range = |a: &Index, b: &Index, bytes: &[u8]| {
            let (a, b) = (place(a, bytes), place(b, bytes));
            a.min(b)..a.max(b)
        };
        match change {
            Change::Byte(at, byte) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Change::Flip(at, bit) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Change::Byte(..) | Change::Flip(..) => (),
            Change::Cut(from, to) => {
                let range = range(from, to, &bytes);
                bytes.drain(range);
            }
            Change::Repeat(from, to) => {
                let range = range(from, to, &bytes);
                let part = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, part);
            }
            Change::Put(at, word) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, word.bytes());
            }
            Change::Splice(file, from, at) => {
                let other = &files[file.index(files.len())].1;
                let at = place(at, &bytes);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[place(from, other)..]);
            }
        }
        bytes.truncate(LONGEST);
    }
    bytes
}

#[test]
fn what_is_made_of_the_corpus_holds_too() {
    let cases = std::env::var("SLIPWAY_FUZZ_CASES").ok();
    let cases = cases.map_or(CASES, |cases| cases.parse().unwrap());
    for (target, holds) in targets::ALL {
        let files = corpus(target);
        let config = Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(config, rng);
        // Most of what is changed was good: what is near the edge is looked at, from either side.
        let good: Vec<usize> = (0..files.len())
            .filter(|at| files[*at].0.starts_with("good"))
            .collect();
        let begin = prop_oneof![3 => proptest::sample::select(good), 1 => 0..files.len()];
        let input = (begin, proptest::collection::vec(change(), 1..4));
        let taken = std::cell::Cell::new(0);
        let result = runner.run(&input, |(file, changes)| {
            let bytes = changed(files[file].1.clone(), &changes, &files);
            if holds(&bytes) {
                taken.set(taken.get() + 1);
            }
            Ok(())
        });
        if let Err(error) = result {
            panic!("{target}: {error}");
        }
        // If nothing is taken, nothing of what is taken was looked at.
        assert!(taken.get() > cases / 200, "{target}: {} taken", taken.get());
    }
}
