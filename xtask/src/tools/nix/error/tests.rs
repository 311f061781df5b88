//! What Nix printed, shortened, and what is made of it.

use super::*;

const SOURCE: &str = "/nix/store/z2j6gkx4bnwpls6gchxp6iv0mhbq2hhd-source/";

fn own(path: &str) -> Option<String> {
    let inside = path.strip_prefix(SOURCE)?;
    inside.starts_with("hosts/").then(|| inside.to_owned())
}

fn read(stderr: &str) -> EvaluationError {
    parse(&stderr.replace("SOURCE/", SOURCE), own)
}

#[test]
fn a_syntax_error_under_a_trace() {
    let error = read(
        "trace: slipway:{\"begin\":\"Web\"}
error:
       … while calling the 'trace' builtin
         at «string»:1:4:
            1| o: builtins.trace
             |    ^

       error: syntax error, unexpected INT_LIT, expecting '.' or '='
       at SOURCE/hosts/Web/default.nix:1:12:
            1| { a = 1; b 3 }
             |            ^
            2|
",
    );
    assert_eq!(
        error.to_string(),
        "hosts/Web/default.nix:1: syntax error, unexpected INT_LIT, expecting '.' or '='"
    );
}

#[test]
fn a_hint_after_the_excerpt_belongs_to_the_message() {
    let error = read(
        "error: attribute 'b' missing
       at SOURCE/hosts/Web/default.nix:2:278:
            1| { }
             |                                       ^
            3| }; }
       Did you mean a?
",
    );
    assert_eq!(error.line, Some(2));
    assert_eq!(error.message, "attribute 'b' missing\nDid you mean a?");
}

#[test]
fn the_module_system_names_the_file() {
    let error = read(
            "error:
       … while evaluating the option `system.build.toplevel':

       error: A definition for option `services.nginx.enable' is not of type `boolean'. Definition values:
       - In `SOURCE/hosts/Web/default.nix': \"yes\"
",
        );
    assert_eq!(error.file.as_deref(), Some("hosts/Web/default.nix"));
    assert_eq!(error.line, None);
    assert!(error
        .message
        .ends_with("- In `hosts/Web/default.nix': \"yes\""));
    assert!(error.trace.contains("while evaluating the option"));
}

#[test]
fn failed_assertions_are_kept_whole() {
    let error = read(
        "error:
       … while evaluating the option `system.build.toplevel':

       error:
       Failed assertions:
       - no disk
       second line
       - two
",
    );
    assert_eq!(
        error.message,
        "Failed assertions:\n- no disk\nsecond line\n- two"
    );
    let without_trace = read("error:\n       Failed assertions:\n       - no disk\n");
    assert_eq!(without_trace.message, "Failed assertions:\n- no disk");
}

#[test]
fn a_failure_in_nixpkgs_is_placed_where_the_fleet_led_to_it() {
    let error = read(
        "error:
       … while calling a function
         at SOURCE/hosts/Web/disk.nix:7:3:
            7| x
             | ^

       … while calling the 'throw' builtin
         at /nix/store/00000000000000000000000000000000-source/lib/x.nix:9:1:

       error: no such disk
",
    );
    assert_eq!(error.to_string(), "hosts/Web/disk.nix:7: no such disk");
}

#[test]
fn an_input_that_is_not_there_is_named() {
    let error = read(
        "error:
       … while updating the flake input 'slipway'

       … while fetching the input 'git+file:///home/you/slipway'

       error: resolving Git reference 'master': revspec 'master' not found
",
    );
    assert_eq!(
        error.to_string(),
        "cannot fetch the input git+file:///home/you/slipway: resolving Git reference 'master': revspec 'master' not found"
    );
}

#[test]
fn an_end_without_an_error_still_says_something() {
    assert_eq!(read("").message, "Nix ended without a message");
    assert_eq!(
        read("trace: slipway:{}\nout of memory\n").message,
        "out of memory"
    );
}

#[test]
fn files_are_known_in_the_store_and_in_the_working_tree() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("flake.nix"), "").unwrap();
    let own = files_of(Some(dir.path()));
    assert_eq!(own(&format!("{SOURCE}flake.nix")).unwrap(), "flake.nix");
    let there = dir.path().join("flake.nix");
    assert_eq!(own(there.to_str().unwrap()).unwrap(), "flake.nix");
    assert_eq!(own(&format!("{SOURCE}lib/x.nix")), None);
    assert_eq!(files_of(None)("/work/flake.nix"), None);
}
