//! What `at` writes: one line for each moment.

use std::collections::BTreeMap;

/// Records whose place among the others is nobody's promise: another process makes them, at the same time.
const CONCURRENT: &[&str] = &[
    "accepting",
    "app",
    "daemon",
    "master-start",
    "post-fork",
    "as-emperor",
];

/// What a process was at one moment.
#[derive(Debug, Clone)]
pub struct Record {
    /// The name of the moment: the phase, and a number where the phase has several.
    pub label: String,
    /// The rest.
    pub fields: BTreeMap<String, String>,
}

impl Record {
    /// Whether other records may come before or after it as they like.
    pub fn is_concurrent(&self) -> bool {
        CONCURRENT.iter().any(|prefix| self.label.starts_with(prefix))
    }
}

/// All records of a file, in their order.
pub fn parse(text: &str) -> Vec<Record> {
    let record = |line: &str| {
        let mut parts = line.split('\t');
        let label = parts.next().unwrap_or_default().to_owned();
        let fields = parts.filter_map(|part| part.split_once('='));
        let fields = fields
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        Record { label, fields }
    };
    text.lines().map(record).collect()
}

/// The records of the first of several starts, each of which begins with the same record.
pub fn first_start(records: &[Record]) -> &[Record] {
    let again = records
        .iter()
        .skip(1)
        .position(|record| record.label == records[0].label);
    match again {
        Some(end) => &records[..=end],
        None => records,
    }
}
