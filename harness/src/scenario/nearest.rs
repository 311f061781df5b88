//! What a mistyped word may have been meant to be. Pure.

/// How an error goes on after a word that is not one of `words`: the nearest one, or else all of them.
pub fn hint<W: AsRef<str>>(wanted: &str, words: impl IntoIterator<Item = W>) -> String {
    let words: Vec<W> = words.into_iter().collect();
    let lower = wanted.to_lowercase();
    let likeness = |word: &W| {
        let word = word.as_ref().to_lowercase();
        // One slip in a short word is little alike to Jaro and Winkler.
        let slip = strsim::osa_distance(&word, &lower) <= 1;
        strsim::jaro_winkler(&word, &lower) + f64::from(u8::from(slip))
    };
    let nearest = words
        .iter()
        .map(|word| (likeness(word), word.as_ref()))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match (nearest, words.is_empty()) {
        (Some((_, word)), _) => format!("; did you mean `{word}`?"),
        (None, true) => "; there are none".to_owned(),
        (None, false) => format!("; there are {}", listed(&words)),
    }
}

/// `a`, `b`, `c`.
pub fn listed<W: AsRef<str>>(words: &[W]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_named_else_all_of_them() {
        assert_eq!(hint("rnu", ["run", "wait"]), "; did you mean `run`?");
        assert_eq!(hint("niko", ["Ingress", "Niko"]), "; did you mean `Niko`?");
        assert_eq!(hint("zzz", ["run", "wait"]), "; there are `run`, `wait`");
        assert_eq!(hint::<&str>("zzz", []), "; there are none");
    }
}
