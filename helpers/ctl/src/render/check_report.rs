//! The result of `vassalctl check`, as text and as JSON.

use super::output::JSON_VERSION;
use super::snippet::render;
use crate::reading::finding;
use crate::reading::finding::{Finding, Level, shown};
use crate::reading::rule::Rule;
use serde::Serialize;
use vassal_config::vassal::reload::overlap::Decision;
use vassal_escape::printable;

/// The result for one file.
#[derive(Debug)]
pub struct Checked {
    /// The file, for display.
    pub file: String,
    /// The unit, if it is a vassal's file.
    pub unit: Option<String>,
    /// The findings, sorted by place.
    pub findings: Vec<Finding>,
    /// How a reload would be done, if the file could be evaluated.
    pub reload: Option<Decision>,
    /// How the app would be asked for its health.
    pub health: Option<String>,
}

/// The findings and their number, as text.
pub fn text(checked: &[Checked], colors: bool) -> String {
    let mut text = String::new();
    for file in checked {
        for finding in &file.findings {
            text.push_str(&render(finding, &file.file, colors));
        }
    }
    if let [
        Checked {
            reload: Some(reload), ..
        },
    ] = checked
    {
        text.push_str(&reload_sentence(reload));
    }
    if let [
        Checked {
            health: Some(health), ..
        },
    ] = checked
    {
        text.push_str(&format!("health: {}\n", printable(health.as_bytes())));
    }
    let Counts {
        errors,
        warnings,
        notes,
    } = Counts::of(checked);
    let count = |number: usize, word: &str| match number {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let all = [
        count(checked.len(), "file"),
        count(errors, "error"),
        count(warnings, "warning"),
        count(notes, "note"),
    ];
    let [files, errors, warnings, notes] = all;
    text + &format!("{files}: {errors}, {warnings}, {notes}\n")
}

/// How a reload would be done, and the line that decides it.
fn reload_sentence(decision: &Decision) -> String {
    let Decision {
        reload,
        reason,
        origin,
    } = decision;
    let place = origin
        .as_ref()
        .map_or_else(String::new, |origin| format!("{origin}: "));
    let reason = printable(reason.as_bytes());
    format!("reload: {reload} ({place}{reason})\n")
}

#[derive(Debug, Serialize)]
struct Counts {
    errors: usize,
    warnings: usize,
    notes: usize,
}

impl Counts {
    fn of(checked: &[Checked]) -> Self {
        let all = || checked.iter().flat_map(|file| &file.findings);
        let count = |level| all().filter(|each| each.level == level).count();
        Counts {
            errors: count(Level::Error),
            warnings: count(Level::Warning),
            notes: count(Level::Note),
        }
    }
}

/// The JSON of `check`, which vassalctl(8) describes.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    version: u32,
    files: Vec<File<'a>>,
    #[serde(flatten)]
    counts: Counts,
}

#[derive(Debug, Serialize)]
struct File<'a> {
    file: &'a str,
    unit: Option<&'a str>,
    findings: Vec<Told<'a>>,
    reload: Option<Reload<'a>>,
    health: Option<&'a str>,
}

/// How a reload would be done, and why.
#[derive(Debug, Serialize)]
struct Reload<'a> {
    way: String,
    reason: &'a str,
}

#[derive(Debug, Serialize)]
struct Told<'a> {
    level: Level,
    rule: Option<&'a str>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    message: &'a str,
    hint: Option<&'a str>,
}

impl<'a> Report<'a> {
    /// The report on `checked`.
    pub fn of(checked: &'a [Checked]) -> Self {
        let file = |each: &'a Checked| File {
            file: &each.file,
            unit: each.unit.as_deref(),
            findings: each.findings.iter().map(Told::of).collect(),
            reload: each.reload.as_ref().map(|decision| Reload {
                way: decision.reload.to_string(),
                reason: &decision.reason,
            }),
            health: each.health.as_deref(),
        };
        Report {
            version: JSON_VERSION,
            files: checked.iter().map(file).collect(),
            counts: Counts::of(checked),
        }
    }
}

impl<'a> Told<'a> {
    fn of(finding: &'a Finding) -> Self {
        let place = finding.place.as_ref();
        Told {
            level: finding.level,
            rule: finding.rule.map(Rule::word),
            file: place.map(|finding::Place { path, .. }| shown(path)),
            line: place.map(|place| place.line),
            column: place.map(|place| place.column),
            message: &finding.message,
            hint: finding.hint.as_deref(),
        }
    }
}
