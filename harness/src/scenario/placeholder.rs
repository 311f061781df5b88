//! `{{word}}` in the strings of a scenario.

/// The words between `{{` and `}}`, in their order.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some((_, word, after)) = next(rest) {
        words.push(word);
        rest = after;
    }
    words
}

/// Puts what `lookup` knows in place of each `{{word}}`.
///
/// # Errors
/// The first word that `lookup` does not know.
pub fn fill(text: &str, lookup: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, word, after)) = next(rest) {
        filled.push_str(before);
        filled.push_str(&lookup(word).ok_or_else(|| word.to_owned())?);
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

fn next(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (word, after) = rest.split_once("}}")?;
    Some((before, word, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_listed_and_filled() {
        let text = "deploy {{Niko.good}} to {{Niko.address}}, {{ open";
        assert_eq!(placeholders(text), ["Niko.good", "Niko.address"]);
        let known = |word: &str| (word != "gone").then(|| format!("<{word}>"));
        assert_eq!(
            fill(text, &known).unwrap(),
            "deploy <Niko.good> to <Niko.address>, {{ open"
        );
        assert_eq!(fill("{{gone}}", &known), Err("gone".to_owned()));
    }
}
