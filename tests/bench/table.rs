//! Samples to the rows of a table. Pure.

use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds.
    Time,
    /// KiB.
    Memory,
    /// Requests.
    Requests,
    /// Processors.
    Cores,
}

impl Unit {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Time => "seconds",
            Unit::Memory => "KiB",
            Unit::Requests => "requests",
            Unit::Cores => "cores",
        }
    }
}

/// What was measured of one of the two.
#[derive(Clone, Debug)]
pub enum Measured {
    /// At least one value.
    Values(Vec<f64>),
    /// What was waited for did not happen: how long, and how often it was tried.
    Never(Duration, usize),
}

impl Measured {
    /// The measured times; [`Measured::Never`] when one of them is missing.
    pub fn times(times: &[Option<Duration>], limit: Duration) -> Measured {
        let found: Option<Vec<f64>> = times
            .iter()
            .map(|time| time.map(|time| time.as_secs_f64()))
            .collect();
        match found {
            Some(values) => Measured::Values(values),
            None => Measured::Never(limit, times.len()),
        }
    }

    fn median(&self) -> Option<f64> {
        match self {
            Measured::Values(values) => middle(values),
            Measured::Never(..) => None,
        }
    }
}

/// A thing that both were measured for, or vassal alone.
pub struct Comparison {
    /// What it is.
    pub what: String,
    /// What is counted.
    pub unit: Unit,
    /// vassal's.
    pub vassal: Measured,
    /// The original's.
    pub emperor: Option<Measured>,
}

/// The header of the table.
pub const HEADER: &str = "\
| measured | of | median | min | max | n | Emperor ÷ vassal |
|---|---|---:|---:|---:|---:|---:|
";

/// The lines of a comparison: vassal's, with the ratio of the medians, and the original's.
pub fn lines(comparison: &Comparison) -> String {
    let Comparison {
        what,
        unit,
        vassal,
        emperor,
    } = comparison;
    let mut lines = line(what, "vassal", *unit, vassal, &ratio(vassal, emperor.as_ref()));
    if let Some(emperor) = emperor {
        lines += &line("", "Emperor", *unit, emperor, "");
    }
    lines
}

fn line(what: &str, of: &str, unit: Unit, measured: &Measured, ratio: &str) -> String {
    match measured {
        Measured::Values(values) => {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let median = middle(values).unwrap_or(f64::NAN);
            let [median, least, most] = [median, least, most].map(|value| shown(value, unit));
            let n = values.len();
            format!("| {what} | {of} | {median} | {least} | {most} | {n} | {ratio} |\n")
        }
        Measured::Never(limit, n) => {
            let limit = shown(limit.as_secs_f64(), unit);
            format!("| {what} | {of} | > {limit}, not recovered | – | – | {n} | {ratio} |\n")
        }
    }
}

fn ratio(vassal: &Measured, emperor: Option<&Measured>) -> String {
    let Some(emperor) = emperor else {
        return "–".into();
    };
    match (vassal.median(), emperor.median()) {
        (Some(vassal), Some(emperor)) if vassal > 0.0 => format!("{:.1}", emperor / vassal),
        (Some(_), None) => "∞".into(),
        (Some(_) | None, Some(_) | None) => "–".into(),
    }
}

/// A value as people read it.
pub fn shown(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Time if value.abs() < 0.000_095 => format!("{:.0} us", value * 1e6),
        Unit::Time if value.abs() < 0.0095 => format!("{:.1} ms", value * 1e3),
        Unit::Time if value.abs() < 1.0 => format!("{:.0} ms", value * 1e3),
        Unit::Time => format!("{value:.2} s"),
        Unit::Memory => format!("{value:.0} KiB"),
        Unit::Requests => format!("{value:.0}"),
        Unit::Cores => format!("{:.2} %", value * 100.0),
    }
}

/// The median; nothing of nothing. Of an even number of values, the mean of the two in the middle.
pub fn middle(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get((sorted.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::{Comparison, Measured, Unit, lines, middle};
    use std::time::Duration;

    #[test]
    fn the_median_is_in_the_middle_of_unsorted_values() {
        const CASES: &[(&[f64], Option<f64>)] = &[
            (&[], None),
            (&[3.0], Some(3.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[4.0, 1.0, 3.0, 2.0], Some(2.5)),
        ];
        for (values, expected) in CASES {
            assert_eq!(middle(values), *expected, "{values:?}");
        }
    }

    #[test]
    fn a_missing_recovery_is_told_and_not_averaged_away() {
        let limit = Duration::from_secs(30);
        let comparison = Comparison {
            what: "hang".into(),
            unit: Unit::Time,
            vassal: Measured::times(&[Some(Duration::from_millis(2100))], limit),
            emperor: Some(Measured::times(&[Some(limit), None], limit)),
        };
        assert_eq!(
            lines(&comparison),
            "| hang | vassal | 2.10 s | 2.10 s | 2.10 s | 1 | ∞ |\n\
             |  | Emperor | > 30.00 s, not recovered | – | – | 2 |  |\n"
        );
    }
}
