//! Quantities as a person reads them.

/// `1 host`, `2 hosts`.
pub fn counted(count: usize, noun: &str) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{s}")
}

/// Bytes in the largest fitting unit: `1.4 GiB`.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    // Sizes below 2^53 are exact, and this is for reading.
    #[allow(clippy::cast_precision_loss)]
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {}", units[unit])
    }
}

/// Seconds with the digits that matter: `0.04`, `1.2`, `185`.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{s:.2}"),
        s if s < 100.0 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    }
}

/// `+1.2 MiB`.
pub fn signed_bytes(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "+" };
    format!("{sign}{}", bytes(size.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(1, "host"), "1 host");
        assert_eq!(counted(0, "host"), "0 hosts");
    }

    #[test]
    fn what_shrinks_has_a_minus() {
        assert_eq!(signed_bytes(-1536), "-1.5 KiB");
        assert_eq!(signed_bytes(0), "+0 B");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(bytes(120), "120 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(3 << 40), "3.0 TiB");
        assert_eq!(
            [0.042, 1.25, 185.2].map(seconds),
            ["0.04", "1.2", "185"].map(str::to_owned)
        );
    }
}
