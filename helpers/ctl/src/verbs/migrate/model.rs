//! What becomes of an option, and the data of `vassalctl migrate`, for display and for JSON.

use crate::reading::finding::{Finding, Place, shown};
use serde::Serialize;
use std::collections::BTreeMap;
use vassal_config::emperor::own_options::{OwnOption, own_option};
use vassal_config::hooks::phase::{Phase, hook_option};
use vassal_config::options::disposition::Disposition;
use vassal_config::options::lookup::{disposition, find, why};
use vassal_config::options::plugins::plugin_change;
use vassal_escape::printable;

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// vassal does it.
    Native,
    /// uWSGI gets it.
    Passed,
    /// It is done, but not as before.
    Changed,
    /// It has no effect, and needs none.
    Ignored,
    /// The vassal does not start with it.
    Refused,
}

/// All fates with their words.
pub const FATES: [(Fate, &str); 5] = [
    (Fate::Native, "native"),
    (Fate::Passed, "passed"),
    (Fate::Changed, "changed"),
    (Fate::Ignored, "ignored"),
    (Fate::Refused, "refused"),
];

/// One line of a file.
#[derive(Debug, Serialize)]
pub struct Line {
    /// Its name.
    pub option: String,
    /// Its value.
    pub value: String,
    /// What becomes of it.
    pub fate: Fate,
    /// The word for its disposition.
    pub taker: &'static str,
    /// How it changes, or what to write instead; otherwise the reason for its fate.
    pub remark: String,
    /// The file.
    pub file: String,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

/// One file.
#[derive(Debug, Serialize)]
pub struct File {
    /// The file.
    pub file: String,
    /// The unit.
    pub unit: String,
    /// Its options.
    pub options: Vec<Line>,
    /// Errors that belong to no option.
    pub problems: Vec<String>,
    /// How many options have each fate.
    pub counts: Counts,
}

/// How many options have each fate.
pub type Counts = BTreeMap<Fate, usize>;

/// The JSON of `migrate`, which vassalctl(8) describes.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The version of this format.
    pub version: u32,
    /// The files.
    pub files: Vec<File>,
    /// How many options have each fate.
    pub counts: Counts,
}

impl Line {
    /// The line at `place` with the option `key`.
    pub fn new(key: &[u8], value: &[u8], place: &Place, (fate, remark): (Fate, String)) -> Self {
        Line {
            option: printable(key),
            value: printable(value),
            fate,
            taker: disposition(key).word(),
            remark,
            file: shown(&place.path),
            line: place.line,
            column: place.column,
        }
    }
}

impl File {
    /// A file with its options.
    pub fn new(file: String, unit: String, options: Vec<Line>, problems: Vec<String>) -> Self {
        let counts = count(options.iter());
        File {
            file,
            unit,
            options,
            problems,
            counts,
        }
    }
}

/// Counts the fates.
pub fn count<'a>(lines: impl Iterator<Item = &'a Line>) -> Counts {
    let mut counts: Counts = FATES.iter().map(|(fate, _)| (*fate, 0)).collect();
    for line in lines {
        *counts.entry(line.fate).or_default() += 1;
    }
    counts
}

/// Facts about the other lines of a file that influence the fate of one.
#[derive(Clone, Copy, Debug)]
pub struct Company {
    /// The vassal is an Emperor itself.
    pub is_emperor: bool,
    /// There is a `gid`.
    pub has_gid: bool,
}

/// What becomes of the option `key` in a vassal's file, with a remark; `wrong` is an error in its line.
pub fn fate_of(key: &[u8], company: Company, wrong: Option<&Finding>) -> (Fate, String) {
    match wrong {
        // The message about a refused option contains the table's text already.
        Some(finding) if disposition(key) != Disposition::Refused => refused(finding),
        Some(_) | None => fate(key, company),
    }
}

/// What becomes of the option `key` in emperor.ini, with a remark; `wrong` is an error in its line.
pub fn fate_in_emperors_file(key: &[u8], wrong: Option<&Finding>) -> (Fate, String) {
    match (wrong, own_option(key)) {
        (Some(finding), _) => refused(finding),
        (None, Some(OwnOption::Native)) => (Fate::Native, String::new()),
        (None, Some(OwnOption::Changed(how))) => (Fate::Changed, how.to_owned()),
        (None, Some(OwnOption::NoEffect(why))) => (Fate::Ignored, why.to_owned()),
        // A switch that is off does nothing.
        (None, Some(OwnOption::Refused(why, _))) => (Fate::Ignored, why.to_owned()),
        (None, None) if is_emperors_hook(key) => (Fate::Native, String::new()),
        (None, None) if disposition(key) == Disposition::Language => (Fate::Native, String::new()),
        (None, None) => (Fate::Ignored, "it is no option of the Emperor's".to_owned()),
    }
}

fn refused(finding: &Finding) -> (Fate, String) {
    (Fate::Refused, format!("{}{}", finding.message, hint(finding)))
}

/// The hint of a finding in parentheses, if it has one.
pub fn hint(finding: &Finding) -> String {
    let hint = finding.hint.as_ref();
    hint.map_or(String::new(), |hint| format!(" ({hint})"))
}

/// Whether the option is a hook in emperor.ini that applies to every vassal.
fn is_emperors_hook(name: &[u8]) -> bool {
    matches!(hook_option(name), Some((_, Phase::AsEmperor | Phase::AsVassal)))
}

fn fate(key: &[u8], company: Company) -> (Fate, String) {
    let why = why(key).to_owned();
    let change = find(key).map_or_else(|| plugin_change(key), |row| row.change);
    match (disposition(key), change) {
        (Disposition::Refused, _) => (Fate::Refused, why),
        // The change of `uid` is about a missing gid.
        (_, Some(_)) if key == b"uid" && company.has_gid => (Fate::Native, why),
        (_, Some(change)) => (Fate::Changed, change.to_owned()),
        (Disposition::Emperor, None) if company.is_emperor => (Fate::Passed, why),
        (Disposition::Emperor | Disposition::Ignored, None) => (Fate::Ignored, why),
        (Disposition::Uwsgi, None) => (Fate::Passed, why),
        (
            Disposition::Enter
            | Disposition::EnterAndUwsgi
            | Disposition::Watchdog
            | Disposition::Unit
            | Disposition::Language,
            None,
        ) => (Fate::Native, why),
    }
}
