//! What differs between two traces.

use std::collections::BTreeMap;
use std::fmt;

use crate::record::Record;

/// Fields that are lists; what one of them has more is a difference of its own.
const LISTS: &[&str] = &["env", "mounts", "fds", "groups"];

/// One thing that differs at one moment.
#[derive(Debug)]
pub struct Difference {
    /// The moment.
    pub label: String,
    /// A field of the record; `record` when one side has none, `order` when it comes at another time.
    pub field: String,
    /// uWSGI's value, or the member that only uWSGI's list has.
    pub theirs: String,
    /// The same of vassal.
    pub ours: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference {
            label,
            field,
            theirs,
            ours,
        } = self;
        write!(f, "{label}: {field}: uwsgi '{theirs}', vassal '{ours}'")
    }
}

/// Everything that differs.
pub fn compare(theirs: &[Record], ours: &[Record]) -> Vec<Difference> {
    let (theirs_by, ours_by) = (by_moment(theirs), by_moment(ours));
    let mut differences: Vec<Difference> = order(theirs, ours).into_iter().collect();
    for ((label, number), record) in &theirs_by {
        match ours_by.get(&(*label, *number)) {
            Some(other) => differences.extend(fields(label, record, other)),
            None => differences.push(missing(label, *number, Side::Theirs)),
        }
    }
    for (label, number) in ours_by.keys().filter(|moment| !theirs_by.contains_key(*moment)) {
        differences.push(missing(label, *number, Side::Ours));
    }
    differences
}

enum Side {
    Theirs,
    Ours,
}

/// Records by their label and how many of that label came before.
fn by_moment(records: &[Record]) -> BTreeMap<(&str, usize), &Record> {
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let numbered = records.iter().map(|record| {
        let number = numbers.entry(&record.label).or_default();
        *number += 1;
        ((record.label.as_str(), *number), record)
    });
    numbered.collect()
}

fn missing(label: &str, number: usize, side: Side) -> Difference {
    // The second time is another matter than the only one.
    let there = if number == 1 { "there" } else { "again" }.to_owned();
    let (theirs, ours) = match side {
        Side::Theirs => (there, String::new()),
        Side::Ours => (String::new(), there),
    };
    Difference {
        label: label.to_owned(),
        field: "record".into(),
        theirs,
        ours,
    }
}

/// The first moment, if any, that comes at another place than the other side's; only first times of what both have count.
fn order(theirs: &[Record], ours: &[Record]) -> Option<Difference> {
    let sequence = |records: &[Record], others: &[Record]| {
        let mut labels: Vec<String> = Vec::new();
        for record in records.iter().filter(|record| !record.is_concurrent()) {
            let is_common = others.iter().any(|other| other.label == record.label);
            if is_common && !labels.contains(&record.label) {
                labels.push(record.label.clone());
            }
        }
        labels
    };
    let (theirs, ours) = (sequence(theirs, ours), sequence(ours, theirs));
    let place = theirs
        .iter()
        .zip(&ours)
        .position(|(theirs, ours)| theirs != ours)?;
    Some(Difference {
        label: theirs[place].clone(),
        field: "order".into(),
        theirs: theirs.join(" "),
        ours: ours.join(" "),
    })
}

fn fields(label: &str, theirs: &Record, ours: &Record) -> Vec<Difference> {
    let value = |record: &Record, field: &str| record.fields.get(field).cloned().unwrap_or_default();
    let mut differences = Vec::new();
    for field in theirs.fields.keys() {
        let (theirs, ours) = (value(theirs, field), value(ours, field));
        if theirs == ours {
            continue;
        }
        let pairs = if LISTS.contains(&field.as_str()) {
            members(&theirs, &ours)
        } else {
            vec![(theirs, ours)]
        };
        differences.extend(pairs.into_iter().map(|(theirs, ours)| Difference {
            label: label.to_owned(),
            field: field.clone(),
            theirs,
            ours,
        }));
    }
    differences
}

/// The members that only one of two lists has, or has more often.
fn members(theirs: &str, ours: &str) -> Vec<(String, String)> {
    let mut only_ours: Vec<&str> = ours.split_whitespace().collect();
    let mut pairs = Vec::new();
    for member in theirs.split_whitespace() {
        match only_ours.iter().position(|other| *other == member) {
            Some(place) => drop(only_ours.remove(place)),
            None => pairs.push((member.to_owned(), String::new())),
        }
    }
    pairs.extend(
        only_ours
            .into_iter()
            .map(|member| (String::new(), member.to_owned())),
    );
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::parse;

    /// The differences between two traces, as they are shown.
    fn shown(theirs: &str, ours: &str) -> Vec<String> {
        let differences = compare(&parse(theirs), &parse(ours));
        differences.iter().map(Difference::to_string).collect()
    }

    #[test]
    fn equal_traces_do_not_differ() {
        let trace = "as-root\tuid=0\tenv=A B\nas-user\tuid=1\tenv=A\n";
        assert_eq!(shown(trace, trace), [""; 0]);
    }

    #[test]
    fn each_member_that_only_one_list_has_is_a_difference() {
        let seen = shown("app\tenv=A B B", "app\tenv=B C");
        let expected = [
            "app: env: uwsgi 'A', vassal ''",
            "app: env: uwsgi 'B', vassal ''",
            "app: env: uwsgi '', vassal 'C'",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_record_that_is_missing_or_comes_again_is_a_difference() {
        let seen = shown("as-root\nas-root\n", "as-root\nas-user\n");
        let expected = [
            "as-root: record: uwsgi 'again', vassal ''",
            "as-user: record: uwsgi '', vassal 'there'",
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn another_order_is_a_difference_but_not_of_processes_that_run_at_once() {
        let seen = shown("as-root\nas-user\n", "as-user\nas-root\n");
        assert_eq!(
            seen,
            ["as-root: order: uwsgi 'as-root as-user', vassal 'as-user as-root'"]
        );
        assert_eq!(
            shown("master-start\naccepting\n", "accepting\nmaster-start\n"),
            [""; 0]
        );
    }
}
