//! Quantities as a person reads and writes them.

use std::time::Duration;

use guard::refusal::one_line_of;

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

/// Reads `45s`, `30m`, `4h` or `2d`; none if it is nothing of that kind.
pub fn time_span(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return None,
    };
    let number: u64 = text[..text.len() - 1].parse().ok()?;
    Some(Duration::from_secs(number.checked_mul(unit)?))
}

/// `+1.2 MiB`.
pub fn signed_bytes(size: i64) -> String {
    let sign = if size < 0 { "-" } else { "+" };
    format!("{sign}{}", bytes(size.unsigned_abs()))
}

/// What another machine said, for a line of a terminal: nothing that a terminal obeys, and no more than 200 letters.
pub fn of_elsewhere(text: &str) -> String {
    one_line_of(text.trim(), 200)
}

/// What is wrong with something, and beneath it the next step.
pub fn finding(subject: &str, message: &str, next_step: &str) -> String {
    format!("{subject}: {message}\n  try: {next_step}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_machine_said_does_nothing_to_a_terminal() {
        assert_eq!(of_elsewhere("no\u{1b}[2Jboom\n"), "no [2Jboom");
        assert_eq!(of_elsewhere("a\u{7}b\nc"), "a b c");
        let long = of_elsewhere(&"x".repeat(300));
        assert_eq!((long.chars().count(), long.ends_with('…')), (201, true));
    }

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
    fn time_spans_have_a_unit() {
        let seconds = |text| time_span(text).map(|time| time.as_secs());
        assert_eq!(
            ["45s", "30m", "4h", "2d"].map(seconds),
            [Some(45), Some(1800), Some(14400), Some(172_800)]
        );
        for bad in ["", "4", "h", "-1h", "1.5h", "1y", "99999999999999999999d"] {
            assert_eq!(time_span(bad), None, "{bad}");
        }
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
