//! What is refused in a scenario with cells, helpers, blocks and points; and files that are not whole.

use super::{plays, shown, MATRIX};

#[test]
fn cells_and_helpers() {
    shown(
        "cells",
        MATRIX,
        &[
            ("phase = \"copy\"\n", ""),
            ("port = 22\n", "port = 22\nspeed = 3\n"),
            ("port = 22\n", "port = [22]\n"),
            (
                "name = \"late\"\nphase = \"activate\"",
                "phase = \"activate\"\nname = \"cut-as-configured-copy-22\"",
            ),
            ("name = \"late\"", "name = \"control-1\""),
            ("fault = \"cut\"", "fault = \"cut it\""),
            ("fault = \"cut\"", "fault = \"cutt\"\nname = \"a\""),
            ("left = \"bulky\"", "left = \"good\""),
            ("port = 2222", "port = \"ssh\""),
            ("phase = \"activate\"", "phase = \"activated\""),
            ("sleep 1", "sleep {{secs}}"),
            (
                "{{fault}} falls into {{phase}}",
                "{{faul}} falls into {{phase}}",
            ),
            ("cell = \"late\"", "cell = \"early\""),
            ("\"Niko.bulky\"", "\"Niko.bulkier\""),
            ("\"Niko.bulky\"", "\"client.bulky\""),
            (
                "state.BinaryCache.failed-units",
                "state.client.failed-units",
            ),
            ("on = \"Niko\"\nwait = { port", "wait = { port"),
            (
                "on = \"Niko\"\nwait = { port = \"{{port}}\"",
                "on = \"client\"\nwait = { running = \"good\"",
            ),
            (
                "= \"late\"\nleave-out = [\"the machine is what it is: power-cut Niko\"]",
                "= \"late\"\nleave-out = [\"the machine is what it is\"]",
            ),
        ],
    );
    let each = MATRIX.find("[[each]]").unwrap()..MATRIX.find("[machines.Niko]").unwrap();
    let mut text = MATRIX.to_owned();
    text.replace_range(each, "each = []\n");
    shown(
        "each",
        &text,
        &[
            ("each = []", "each = \"host\""),
            ("each = []", "each = []\n"),
            ("each = []", "each = 3"),
            ("each = []", "each = [3]"),
            ("each = []", "each = \"hosts\""),
        ],
    );
}

/// Whatever is left of a file, the answer is an error with a line of it, or plays.
#[test]
fn broken_off_and_thinned_out_files_are_answered() {
    let lines: Vec<&str> = MATRIX.lines().collect();
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        lines.join("\n")
    };
    let broken_off = (0..MATRIX.len())
        .step_by(3)
        .map(|end| MATRIX[..end].to_owned());
    for text in broken_off.chain((0..lines.len()).map(without)) {
        if let Err(error) = plays(&text) {
            assert!(
                (1..=lines.len() + 1).contains(&error.line),
                "{error}\n{text}"
            );
        }
    }
}
