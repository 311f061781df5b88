//! The patterns of `on:` filters: `*` within a segment, `**` across, `?` and `+` after a character, `[…]`, `\`. Pure.

/// Whether a list of patterns takes a name: the last one that matches decides, and `!` in front says no.
pub fn takes(patterns: &[String], name: &str) -> bool {
    let mut taken = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(pattern) if matches(pattern, name) => taken = false,
            None if matches(pattern, name) => taken = true,
            _ => (),
        }
    }
    taken
}

pub fn matches(pattern: &str, name: &str) -> bool {
    let pattern: Vec<Part> = parts(pattern);
    let name: Vec<char> = name.chars().collect();
    rest_matches(&pattern, &name)
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    one: One,
    least: usize,
    most: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum One {
    Exactly(char),
    OfSegment,
    Any,
    Among(Vec<(char, char)>),
}

impl One {
    fn is(&self, c: char) -> bool {
        match self {
            Self::Exactly(wanted) => *wanted == c,
            Self::OfSegment => c != '/',
            Self::Any => true,
            Self::Among(ranges) => ranges.iter().any(|&(from, to)| (from..=to).contains(&c)),
        }
    }
}

fn parts(pattern: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut chars = pattern.chars().peekable();
    let once = |one| Part {
        one,
        least: 1,
        most: 1,
    };
    let many = |one| Part {
        one,
        least: 0,
        most: usize::MAX,
    };
    while let Some(c) = chars.next() {
        let part = match c {
            '*' if chars.next_if_eq(&'*').is_some() => many(One::Any),
            '*' => many(One::OfSegment),
            '?' | '+' => {
                // It is about the part before it.
                if let Some(last) = parts.last_mut() {
                    (last.least, last.most) = if c == '?' { (0, 1) } else { (1, usize::MAX) };
                }
                continue;
            }
            '[' => {
                let inside: Vec<char> = chars.by_ref().take_while(|&c| c != ']').collect();
                once(One::Among(ranges(&inside)))
            }
            '\\' => once(One::Exactly(chars.next().unwrap_or('\\'))),
            c => once(One::Exactly(c)),
        };
        parts.push(part);
    }
    parts
}

fn ranges(inside: &[char]) -> Vec<(char, char)> {
    let mut ranges = Vec::new();
    let mut rest = inside;
    while let Some(&first) = rest.first() {
        if let [from, '-', to, ..] = *rest {
            ranges.push((from, to));
            rest = &rest[3..];
        } else {
            ranges.push((first, first));
            rest = &rest[1..];
        }
    }
    ranges
}

fn rest_matches(pattern: &[Part], name: &[char]) -> bool {
    let Some((part, rest)) = pattern.split_first() else {
        return name.is_empty();
    };
    // `**/x` also takes `x`, which has no folder.
    if part.one == One::Any
        && rest
            .first()
            .is_some_and(|it| it.one == One::Exactly('/') && it.least == 1)
        && rest_matches(&rest[1..], name)
    {
        return true;
    }
    let longest = name
        .iter()
        .take(part.most)
        .take_while(|c| part.one.is(**c))
        .count();
    (part.least..=longest)
        .rev()
        .any(|taken| rest_matches(rest, &name[taken..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_the_forge_says() {
        for (pattern, name, is) in [
            ("main", "main", true),
            ("main", "maint", false),
            ("test-*", "test-Niko", true),
            ("test-*", "test-a/b", false),
            ("test-**", "test-a/b", true),
            ("**", "a/b/c", true),
            ("*", "a/b", false),
            ("**/*.nix", "flake.nix", true),
            ("**/*.nix", "hosts/Niko/default.nix", true),
            ("docs/**", "docs/a/b.md", true),
            ("docs/**", "xdocs/a", false),
            ("v[12].[0-9]+", "v2.17", true),
            ("v[12].[0-9]+", "v3.1", false),
            ("releases?", "release", true),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), is, "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_pattern_that_matches_decides() {
        let patterns = ["test-*", "!test-x*", "test-xy"].map(str::to_owned);
        assert!(takes(&patterns, "test-a"));
        assert!(!takes(&patterns, "test-xz"));
        assert!(takes(&patterns, "test-xy"));
        assert!(!takes(&patterns, "main"));
    }
}
