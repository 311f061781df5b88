//! What a mistyped name may have been meant to be. Pure.

/// At most three names that resemble the wanted one, the nearest first.
pub fn nearest<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let wanted = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = names
        .iter()
        .map(|name| (strsim::jaro_winkler(&name.to_lowercase(), &wanted), *name))
        .filter(|(score, _)| *score > 0.75)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// The same, or all names if none of them resembles it.
pub fn nearest_or_all<'a>(wanted: &str, names: &[&'a str]) -> Vec<&'a str> {
    let near = nearest(wanted, names);
    if near.is_empty() {
        names.to_vec()
    } else {
        near
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_come_first_and_far_ones_not_at_all() {
        let names = ["main", "release-1", "v1.0"];
        assert_eq!(nearest("mian", &names), ["main"]);
        assert!(nearest("zzzzzz", &names).is_empty());
    }
}
