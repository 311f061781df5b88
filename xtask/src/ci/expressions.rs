//! What expressions (`${{ … }}`) ask of secrets and variables. Pure.

use std::collections::BTreeSet;

/// The names below a context (`secrets`, `vars`) that texts cannot do without: one with `||` behind it has a default.
pub fn needed<'a>(context: &str, texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for text in texts {
        for expression in expressions(text) {
            for (name, rest) in fields(context, expression) {
                if !rest.trim_start().starts_with("||") {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    names
}

/// The names below a context that texts mention at all.
pub fn mentioned<'a>(context: &str, texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let expressions = texts.into_iter().flat_map(expressions);
    expressions
        .flat_map(|expression| fields(context, expression))
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// The insides of `${{ … }}`.
pub fn expressions(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${{") {
        let Some((inside, after)) = after.split_once("}}") else {
            break;
        };
        found.push(inside);
        rest = after;
    }
    found
}

/// `context.NAME` with what stands behind it.
fn fields<'a>(context: &str, expression: &'a str) -> Vec<(&'a str, &'a str)> {
    let part_of_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    let mut found = Vec::new();
    for (at, _) in expression.match_indices(context) {
        let before = expression[..at].chars().next_back();
        let Some(after) = expression[at + context.len()..].strip_prefix('.') else {
            continue;
        };
        if before.is_some_and(|c| part_of_word(c) || c == '.') {
            continue;
        }
        let end = after.find(|c| !part_of_word(c)).unwrap_or(after.len());
        found.push((&after[..end], &after[end..]));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_expressions_alone_and_defaults_are_seen() {
        let text =
            "secrets.NOT ${{ secrets.KEY }} ${{ vars.STAGE || 'nixos' }} ${{ x.secrets.NO }} \
                    ${{ format('{0}', secrets.OTHER) }} ${{ mysecrets.NO }} ${{ secrets.OPEN";
        let names = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
        assert_eq!(names(needed("secrets", [text])), "KEY OTHER");
        assert_eq!(names(needed("vars", [text])), "");
        assert_eq!(names(mentioned("vars", [text])), "STAGE");
    }
}
