//! What was measured as numbers: RESULTS.json, and what the plots are made of. Pure.

use serde_json::{Value, json};

use crate::measures::ladder::Ladder;
use crate::table::{Comparison, Measured, Unit, middle};

/// Values of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The section of the report.
    pub section: String,
    /// What was measured.
    pub what: String,
    /// Of which of those that were compared.
    pub of: String,
    /// What is counted.
    pub unit: Unit,
    /// The values, in seconds, KiB, requests or cores; none where what was waited for did not happen.
    pub values: Vec<f64>,
}

/// The middle and the spread of values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The least.
    pub least: f64,
    /// The median.
    pub median: f64,
    /// The most.
    pub most: f64,
}

impl Series {
    /// The middle and the spread, if there is a value.
    pub fn spread(&self) -> Option<Spread> {
        Some(Spread {
            least: self.values.iter().copied().reduce(f64::min)?,
            median: middle(&self.values)?,
            most: self.values.iter().copied().reduce(f64::max)?,
        })
    }

    fn json(&self) -> Value {
        let spread = self.spread();
        json!({
            "section": self.section,
            "what": self.what,
            "of": self.of,
            "unit": self.unit.word(),
            "n": self.values.len(),
            "median": spread.map(|spread| spread.median),
            "min": spread.map(|spread| spread.least),
            "max": spread.map(|spread| spread.most),
            "values": self.values,
        })
    }
}

/// Both sides of comparisons.
pub fn of_comparisons(section: &str, comparisons: &[Comparison]) -> Vec<Series> {
    let side = |comparison: &Comparison, of: &str, measured: &Measured| Series {
        section: section.to_owned(),
        what: comparison.what.clone(),
        of: of.to_owned(),
        unit: comparison.unit,
        values: match measured {
            Measured::Values(values) => values.clone(),
            Measured::Never(..) => Vec::new(),
        },
    };
    let sides = |comparison: &Comparison| {
        let ours = side(comparison, "vassal", &comparison.vassal);
        let theirs = comparison.emperor.as_ref();
        let theirs = theirs.map(|theirs| side(comparison, "Emperor", theirs));
        [Some(ours), theirs].into_iter().flatten().collect::<Vec<_>>()
    };
    comparisons.iter().flat_map(sides).collect()
}

/// The rungs of ladders that were there.
pub fn of_ladders(section: &str, ladders: &[Ladder]) -> Vec<Series> {
    let rungs = ladders
        .iter()
        .flat_map(|ladder| ladder.rungs.iter().map(move |rung| (ladder, rung)));
    let there = rungs.filter(|(_, rung)| rung.missing.is_none());
    let series = there.map(|(ladder, rung)| Series {
        section: section.to_owned(),
        what: ladder.what.clone(),
        of: rung.name.clone(),
        unit: Unit::Time,
        values: rung.seconds(),
    });
    series.collect()
}

/// All of it, with the machine.
pub fn json(machine: &Value, all: &[Series]) -> Value {
    let measured: Vec<_> = all.iter().map(Series::json).collect();
    json!({ "schema": 1, "machine": machine, "measured": measured })
}

#[cfg(test)]
mod tests {
    use super::{Series, json, of_comparisons, of_ladders};
    use crate::measures::ladder::{Ladder, Rung};
    use crate::table::{Comparison, Measured, Unit};
    use std::time::Duration;

    #[test]
    fn what_did_not_happen_has_no_values_and_what_is_not_installed_is_left_out() {
        let comparison = Comparison {
            what: "hang".into(),
            unit: Unit::Time,
            vassal: Measured::Values(vec![3.0, 1.0]),
            emperor: Some(Measured::Never(Duration::from_secs(30), 1)),
        };
        let both = of_comparisons("12", &[comparison]);
        let spreads: Vec<_> = both.iter().map(Series::spread).collect();
        assert_eq!((both[0].of.as_str(), both[1].of.as_str()), ("vassal", "Emperor"));
        assert_eq!(
            spreads[0].map(|spread| (spread.least, spread.median, spread.most)),
            Some((1.0, 2.0, 3.0))
        );
        assert_eq!(spreads[1], None);
        let absent = Rung {
            missing: Some("not installed"),
            ..Rung::new("crun")
        };
        let ladder = Ladder {
            what: "enter".into(),
            rungs: vec![absent],
        };
        assert_eq!(of_ladders("12", &[ladder]), []);
        let written = json(&serde_json::json!({"cores": 2}), &both);
        assert_eq!(written["measured"][0]["median"], 2.0);
        assert_eq!(written["measured"][1]["median"], serde_json::Value::Null);
        assert_eq!(written["machine"]["cores"], 2);
    }
}
