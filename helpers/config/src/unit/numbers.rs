//! Parses numbers as systemd does: sizes, percentages, booleans, times (systemd.syntax(7), systemd.time(7)).

use std::time::Duration;

/// Units of 1024.
pub const IEC: [(&str, u64); 7] = [
    ("E", 1 << 60),
    ("P", 1 << 50),
    ("T", 1 << 40),
    ("G", 1 << 30),
    ("M", 1 << 20),
    ("K", 1 << 10),
    ("B", 1),
];
/// Units of 1000.
pub const SI: [(&str, u64); 7] = [
    ("E", 1_000_000_000_000_000_000),
    ("P", 1_000_000_000_000_000),
    ("T", 1_000_000_000_000),
    ("G", 1_000_000_000),
    ("M", 1_000_000),
    ("K", 1_000),
    ("B", 1),
];

/// A number of bytes: numbers with capital units, the largest unit first (`1G 500M`).
pub fn size(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = value.trim();
    let mut left = units;
    let mut sum = 0_u64;
    while !rest.is_empty() {
        let (number, after) = decimal(rest)?;
        let after = after.trim_start();
        let (at, factor, after) = match left.iter().position(|(unit, _)| after.starts_with(unit)) {
            Some(at) => (at, left.get(at)?.1, after.get(1..)?),
            None if after.is_empty() && !left.is_empty() => (left.len() - 1, 1, after),
            None => return None,
        };
        left = left.get(at + 1..)?;
        sum = sum.checked_add((number * factor as f64) as u64)?;
        rest = after.trim_start();
    }
    (!value.trim().is_empty()).then_some(sum)
}

/// A number with an optional fraction at the beginning of `text`, and the rest of the text.
fn decimal(text: &str) -> Option<(f64, &str)> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    Some((number.parse().ok()?, rest))
}

/// A percentage; also in thousandths or ten-thousandths.
pub fn part(value: &str) -> Option<f64> {
    let (text, divisor) = [('%', 1.0), ('\u{2030}', 10.0), ('\u{2031}', 100.0)]
        .iter()
        .find_map(|(sign, divisor)| Some((value.strip_suffix(*sign)?, divisor)))?;
    let is_number = text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let digits = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    (is_number && digits <= 2)
        .then(|| text.parse::<f64>().ok())
        .flatten()
        .map(|number| number / divisor)
}

/// A number without a sign.
pub fn unsigned(value: &str) -> Option<u64> {
    value.parse().ok()
}

/// Whether it is a boolean.
pub fn is_boolean(value: &str) -> bool {
    const WORDS: [&str; 12] = [
        "1", "yes", "y", "true", "t", "on", "0", "no", "n", "false", "f", "off",
    ];
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word))
}

/// Whether it is a time span: numbers with units; a number without a unit counts seconds (systemd.time(7)).
pub fn is_time(value: &str) -> bool {
    value.trim() == "infinity" || seconds(value).is_some()
}

/// The length of a valid time span; `None` for an infinite one, which 0 means as well.
pub fn time_span(value: &str) -> Option<Duration> {
    let time = Duration::try_from_secs_f64(seconds(value)?).ok()?;
    (!time.is_zero()).then_some(time)
}

fn seconds(value: &str) -> Option<f64> {
    const UNITS: [(f64, &[&str]); 9] = [
        (1e-6, &["usec", "us", "\u{b5}s", "\u{3bc}s"]),
        (1e-3, &["msec", "ms"]),
        (1.0, &["seconds", "second", "sec", "s", ""]),
        (60.0, &["minutes", "minute", "min", "m"]),
        (3600.0, &["hours", "hour", "hr", "h"]),
        (86400.0, &["days", "day", "d"]),
        (604_800.0, &["weeks", "week", "w"]),
        (2_629_800.0, &["months", "month", "M"]),
        (31_557_600.0, &["years", "year", "y"]),
    ];
    let mut rest = value.trim();
    let mut sum = (!rest.is_empty()).then_some(0.0)?;
    while !rest.is_empty() {
        let (number, after) = decimal(rest)?;
        let after = after.trim_start();
        let word = after
            .find(|c: char| !c.is_alphabetic())
            .map_or(after, |end| &after[..end]);
        let (unit, _) = UNITS.iter().find(|(_, names)| names.contains(&word))?;
        sum += number * unit;
        rest = after[word.len()..].trim_start();
    }
    Some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_sum_of_its_parts() {
        let seconds = |text: &str| time_span(text).map(|time| time.as_secs_f64());
        assert_eq!(seconds("90"), Some(90.0));
        assert_eq!(seconds(" 1min 30s "), Some(90.0));
        assert_eq!(seconds("1.5 h"), Some(5400.0));
        assert_eq!(seconds("250ms"), Some(0.25));
        for endless in ["infinity", "0"] {
            assert_eq!(seconds(endless), None);
        }
    }
}
