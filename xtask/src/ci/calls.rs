//! The calls of xtask in a step, read by the real command line.

use clap::error::{ContextKind, ContextValue};
use clap::Parser;

use super::expressions::expressions;
use crate::cli::{Cli, Command};

/// How a step may start xtask; what follows is for the real command line.
const PREFIXES: [&str; 3] = [
    "nix run \"$SLIPWAY_XTASK\" -- ",
    "nix run .#xtask -- ",
    "cargo xtask ",
];

/// Every call in a step's script: its line, and what the command line says of it.
pub fn of(script: &str) -> Vec<(String, Result<Cli, String>)> {
    // A line that ends in `\` goes on in the next one.
    let script = script.replace("\\\n", " ");
    let calls = script.lines().filter_map(|line| {
        let line = line.trim();
        let args = PREFIXES
            .iter()
            .find_map(|prefix| line.strip_prefix(prefix))?;
        Some((line.to_owned(), parse(args)))
    });
    calls.collect()
}

/// Whether a step changes hosts or signs for them; a line that mentions it and that nobody here can read counts as one.
pub fn deploys(script: &str) -> bool {
    let script = script.replace("\\\n", " ");
    script.lines().any(|line| match of(line).pop() {
        Some((_, Ok(cli))) => match cli.command {
            Command::Deploy(args) => !args.plan,
            Command::Rollback(_) | Command::Release(_) => true,
            _ => false,
        },
        Some((_, Err(_))) | None => {
            let says = |word: &str| line.to_lowercase().contains(word);
            says("xtask") && ["deploy", "rollback", "release"].into_iter().any(says)
        }
    })
}

/// What stands for a word of which nobody knows yet what it is.
const ANY: &str = "Word";

/// Expressions and variables stand for one word each.
fn parse(args: &str) -> Result<Cli, String> {
    let mut args = args.to_owned();
    for expression in expressions(&args.clone()) {
        args = args.replace(&format!("${{{{{expression}}}}}"), ANY);
    }
    let words = words(&args)
        .into_iter()
        .map(|word| match word.strip_prefix('$') {
            Some(_) => ANY.to_owned(),
            None => word,
        });
    let mut words: Vec<String> = std::iter::once("xtask".to_owned()).chain(words).collect();
    loop {
        let error = match Cli::try_parse_from(&words) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        // Where only some words are taken, it will be one of them.
        if !suit(&mut words, &error) {
            let text = error.to_string();
            let first = text.lines().next().unwrap_or_default();
            return Err(first.trim_start_matches("error: ").to_owned());
        }
    }
}

/// Puts a value that is taken in place of a word that nobody knows; whether there was one.
fn suit(words: &mut [String], error: &clap::Error) -> bool {
    let (Some(ContextValue::String(argument)), Some(ContextValue::Strings(values))) = (
        error.get(ContextKind::InvalidArg),
        error.get(ContextKind::ValidValue),
    ) else {
        return false;
    };
    let option = argument.split(' ').next().unwrap_or_default();
    let at = words
        .windows(2)
        .position(|pair| pair[0] == option && pair[1] == ANY);
    match (at, values.first()) {
        (Some(at), Some(value)) => {
            words[at + 1].clone_from(value);
            true
        }
        _ => false,
    }
}

/// Splits as a shell does, as far as workflows need it: blanks, and both kinds of quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            // What follows is the shell's.
            (None, '>' | '<' | '|' | '&' | ';') => break,
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_by_the_real_command_line() {
        let good = "cargo xtask deploy --plan --boot \"$BOOT\" -- $HOST\n\
                    nix run .#xtask -- build-all ${{ matrix.host }}\n\
                    cargo xtask deploy --ref \"$GITHUB_REF_NAME\" \\\n  --plan --json\n\
                    nix run \"$SLIPWAY_XTASK\" -- check\nnix flake check\n";
        let calls = of(good);
        assert_eq!(calls.len(), 4);
        for (line, call) in calls {
            assert!(call.is_ok(), "{line}: {:?}", call.err());
        }
        let (_, bad) = of("cargo xtask biuld-all").remove(0);
        assert_eq!(bad.unwrap_err(), "unrecognized subcommand 'biuld-all'");
        let (_, bad) = of("cargo xtask hosts --jsn").remove(0);
        assert_eq!(bad.unwrap_err(), "unexpected argument '--jsn' found");
        let (_, bad) = of("cargo xtask deploy --boot sometimes").remove(0);
        assert!(bad.unwrap_err().starts_with("invalid value 'sometimes'"));
    }

    #[test]
    fn what_touches_hosts_is_told_from_what_only_looks() {
        assert!(deploys("cargo xtask deploy --ref main --yes"));
        assert!(deploys("nix run .#xtask -- rollback ${{ inputs.host }}"));
        assert!(deploys("cargo xtask release $GITHUB_SHA > release.json"));
        assert!(deploys("cargo xtask release --from --boot $BOOT"));
        assert!(deploys("if true; then cargo xtask deploy --yes; fi"));
        assert!(deploys("cargo xtask deploy --no-such-option"));
        assert!(!deploys("cargo xtask deploy --plan"));
        assert!(!deploys("cargo xtask status"));
    }
}
