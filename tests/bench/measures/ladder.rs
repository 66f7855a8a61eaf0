//! Times of several who did the same in turns, each beside the least that it can take. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::table::middle;

/// One of them.
#[derive(Clone, Debug)]
pub struct Rung {
    /// Who it is.
    pub name: String,
    /// The times, by round.
    pub times: BTreeMap<usize, Duration>,
    /// Why there are none.
    pub missing: Option<&'static str>,
}

/// All of them: the floor, and who is compared with it.
#[derive(Clone, Debug)]
pub struct Ladder {
    /// What they did.
    pub what: String,
    /// The floor first.
    pub rungs: Vec<Rung>,
}

/// The header of the table.
pub const HEADER: &str = "\
| measured | of | median | min | max | n | ÷ floor, median of the rounds |
|---|---|---:|---:|---:|---:|---:|
";

impl Rung {
    /// One without times yet.
    pub fn new(name: &str) -> Rung {
        Rung {
            name: name.to_owned(),
            times: BTreeMap::new(),
            missing: None,
        }
    }

    /// The times in seconds, by round.
    pub fn seconds(&self) -> Vec<f64> {
        self.times.values().map(Duration::as_secs_f64).collect()
    }
}

/// The lines of the table.
pub fn lines(ladder: &Ladder) -> String {
    let rungs = ladder.rungs.iter().enumerate();
    rungs
        .map(|(place, rung)| {
            let what = if place == 0 { ladder.what.as_str() } else { "" };
            line(what, rung, ladder.rungs.first())
        })
        .collect()
}

fn line(what: &str, rung: &Rung, floor: Option<&Rung>) -> String {
    let name = &rung.name;
    if let Some(missing) = rung.missing {
        return format!("| {what} | {name} | {missing} | – | – | 0 | – |\n");
    }
    let seconds = rung.seconds();
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seconds.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let median = middle(&seconds).unwrap_or(f64::NAN);
    let [median, least, most] = [median, least, most].map(milliseconds);
    let ratio = floor.and_then(|floor| ratio(rung, floor));
    let ratio = ratio.map_or("–".into(), |ratio| format!("{ratio:.2}"));
    format!(
        "| {what} | {name} | {median} | {least} | {most} | {} | {ratio} |\n",
        seconds.len()
    )
}

/// The median of the ratios to the floor in the same round: what slows a whole round down is in both.
fn ratio(rung: &Rung, floor: &Rung) -> Option<f64> {
    let ratios = rung.times.iter().filter_map(|(round, time)| {
        let floor = floor.times.get(round)?.as_secs_f64();
        (floor > 0.0).then(|| time.as_secs_f64() / floor)
    });
    middle(&ratios.collect::<Vec<f64>>())
}

fn milliseconds(seconds: f64) -> String {
    let value = seconds * 1e3;
    match value.abs() {
        size if size < 10.0 => format!("{value:.2} ms"),
        size if size < 100.0 => format!("{value:.1} ms"),
        _ => format!("{value:.0} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ladder, Rung, lines};
    use std::time::Duration;

    #[test]
    fn the_ratio_is_that_of_the_rounds_and_who_is_missing_is_told() {
        let rung = |name: &str, times: &[(usize, u64)]| Rung {
            times: times
                .iter()
                .map(|(round, time)| (*round, Duration::from_micros(*time)))
                .collect(),
            ..Rung::new(name)
        };
        let absent = Rung {
            missing: Some("not installed"),
            ..Rung::new("crun")
        };
        let ladder = Ladder {
            what: "enter".into(),
            rungs: vec![
                rung("floor", &[(1, 1000), (2, 10_000), (3, 2000)]),
                rung("vassal", &[(2, 20_000), (3, 6000)]),
                absent,
            ],
        };
        assert_eq!(
            lines(&ladder),
            "| enter | floor | 2.00 ms | 1.00 ms | 10.0 ms | 3 | 1.00 |\n\
             |  | vassal | 13.0 ms | 6.00 ms | 20.0 ms | 2 | 2.50 |\n\
             |  | crun | not installed | – | – | 0 | – |\n"
        );
    }
}
