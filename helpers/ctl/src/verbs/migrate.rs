//! `vassalctl migrate`: what becomes of every option of every file.

use crate::arguments::Migrate;
use crate::reading::dry_run::Scope;
use crate::reading::emperor_file;
use crate::reading::finding::{Finding, Level, Place, place, shown};
use crate::reading::location::Location;
use crate::reading::recover::read_vassal;
use crate::reading::targets;
use crate::reading::targets::Target;
use crate::render::output;
use crate::render::output::{GOOD, JSON_VERSION, WARNED, error_line};
use crate::render::table::table;
use serde::Serialize;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::own_options::{OwnOption, own_option};
use vassal_config::emperor::settings::Emperor;
use vassal_config::hooks::phase::{Phase, hook_option};
use vassal_config::language::text::lex::lines;
use vassal_config::machine::trusted::Reader;
use vassal_config::options::disposition::Disposition;
use vassal_config::options::lookup::find;
use vassal_config::options::lookup::{disposition, why};
use vassal_config::options::plugins::plugin_change;
use vassal_escape::printable;

/// The unit of vassal-emperor(8), which follows emperor.ini.
const EMPEROR: &str = "vassal-emperor.service";
/// The section that uWSGI reads.
const SECTION: &[u8] = b"uwsgi";

/// What becomes of an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
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

const FATES: [(Fate, &str); 5] = [
    (Fate::Native, "native"),
    (Fate::Passed, "passed"),
    (Fate::Changed, "changed"),
    (Fate::Ignored, "ignored"),
    (Fate::Refused, "refused"),
];

/// One line of a file.
#[derive(Debug, Serialize)]
struct Line {
    option: String,
    value: String,
    fate: Fate,
    taker: &'static str,
    /// How it changes, or what to write instead; otherwise the reason for its fate.
    remark: String,
    file: String,
    line: u32,
    column: u32,
}

/// One file.
#[derive(Debug, Serialize)]
struct File {
    file: String,
    unit: String,
    options: Vec<Line>,
    /// Errors that belong to no option.
    problems: Vec<String>,
    counts: Counts,
}

type Counts = BTreeMap<Fate, usize>;

/// The JSON of `migrate`, which vassalctl(8) describes.
#[derive(Debug, Serialize)]
struct Report {
    version: u32,
    files: Vec<File>,
    counts: Counts,
}

/// Prints the fate of each option. The exit code says whether something would be lost.
pub fn run(arguments: &Migrate) -> ExitCode {
    let (report, is_emperor_wrong) = match report(arguments) {
        Ok(done) => done,
        Err(why) => return output::fail(&why),
    };
    let is_lost = |file: &File| {
        let refused = file.options.iter().any(|line| line.fate == Fate::Refused);
        refused || !file.problems.is_empty()
    };
    let code = match is_emperor_wrong || report.files.iter().any(is_lost) {
        true => WARNED,
        false => GOOD,
    };
    if let Some(form) = arguments.format.json() {
        return match output::json(&report, form) {
            Ok(text) => output::finish(&text, code),
            Err(why) => output::fail(&why),
        };
    }
    output::finish(&text(&report), code)
}

/// Makes the report. Also returns whether emperor.ini is wrong, which has been printed then.
fn report(arguments: &Migrate) -> Result<(Report, bool), String> {
    let root = targets::root(&arguments.place)?;
    let found = emperor_file::find(&arguments.place, &root);
    for finding in found.findings.iter().filter(|each| each.level == Level::Error) {
        error_line(&one_line(finding));
    }
    let is_emperor_wrong = found.is_wrong();
    let own = found
        .file
        .as_deref()
        .filter(|file| is_same(file, &arguments.path));
    if let Some(file) = own {
        let files = vec![emperors(file, &root, &found.findings)];
        let counts = count(files.iter().flat_map(|file| &file.options));
        let version = JSON_VERSION;
        let report = Report {
            version,
            files,
            counts,
        };
        return Ok((report, is_emperor_wrong));
    }
    let emperor = found.emperor;
    let (targets, odd) = targets::of_path(&arguments.path, &root)?;
    let mut files: Vec<File> = targets.iter().map(|target| file(target, &emperor)).collect();
    for message in odd {
        let file = message.split(": ").next().unwrap_or_default().to_owned();
        files.push(File::new(file, String::new(), Vec::new(), vec![message]));
    }
    if files.is_empty() {
        return Err(format!("no vassal's file in {}", shown(&arguments.path)));
    }
    let counts = count(files.iter().flat_map(|file| &file.options));
    let report = Report {
        version: JSON_VERSION,
        files,
        counts,
    };
    Ok((report, is_emperor_wrong))
}

impl File {
    fn new(file: String, unit: String, options: Vec<Line>, problems: Vec<String>) -> Self {
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

fn count<'a>(lines: impl Iterator<Item = &'a Line>) -> Counts {
    let mut counts: Counts = FATES.iter().map(|(fate, _)| (*fate, 0)).collect();
    for line in lines {
        *counts.entry(line.fate).or_default() += 1;
    }
    counts
}

/// The lines of emperor.ini itself.
fn emperors(path: &Path, root: &Path, findings: &[Finding]) -> File {
    let text = Reader::default().read(path).unwrap_or_default().content;
    let location = Location::new(root, path.parent().unwrap_or(Path::new("")));
    let name = path.file_name().unwrap_or_default().as_bytes();
    let options = lines(&text)
        .filter(|line| line.section == SECTION)
        .filter_map(|line| {
            let origin = Origin::File {
                name: name.into(),
                line: line.line,
                column: line.column,
            };
            let place = place(&origin, &location)?;
            let is_wrong = findings
                .iter()
                .find(|each| each.level == Level::Error && is_at(each, &place));
            let (fate, remark) = match (is_wrong, own_option(line.key)) {
                (Some(finding), _) => (Fate::Refused, format!("{}{}", finding.message, hint(finding))),
                (None, Some(OwnOption::Native)) => (Fate::Native, String::new()),
                (None, Some(OwnOption::Changed(how))) => (Fate::Changed, how.to_owned()),
                (None, Some(OwnOption::NoEffect(why))) => (Fate::Ignored, why.to_owned()),
                // A switch that is off does nothing.
                (None, Some(OwnOption::Refused(why, _))) => (Fate::Ignored, why.to_owned()),
                (None, None) if is_emperors_hook(line.key) => (Fate::Native, String::new()),
                (None, None) if disposition(line.key) == Disposition::Language => {
                    (Fate::Native, String::new())
                }
                (None, None) => (Fate::Ignored, "it is no option of the Emperor's".to_owned()),
            };
            Some(Line {
                option: printable(line.key),
                value: printable(line.value),
                fate,
                taker: disposition(line.key).word(),
                remark,
                file: shown(&place.path),
                line: place.line,
                column: place.column,
            })
        });
    File::new(shown(path), EMPEROR.to_owned(), options.collect(), Vec::new())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether the option is a hook in emperor.ini that applies to every vassal.
fn is_emperors_hook(name: &[u8]) -> bool {
    matches!(hook_option(name), Some((_, Phase::AsEmperor | Phase::AsVassal)))
}

/// All options as they are written, including those in blocks that are not executed and in included files.
fn file(target: &Target, emperor: &Emperor) -> File {
    let name = target.name.file();
    let read = Reader::default().read(&target.location.outside(&name));
    let text = read.unwrap_or_default().content;
    let own = lines(&text).filter(|line| line.section == SECTION).map(|line| {
        let origin = Origin::File {
            name: name.as_slice().into(),
            line: line.line,
            column: line.column,
        };
        (line.key.to_vec(), line.value.to_vec(), origin)
    });
    let read = read_vassal(emperor, &target.name, &target.location, Scope::Machine);
    let effects = read.found.iter().flat_map(|vassal| &vassal.effects);
    let included = effects
        .filter(|entry| matches!(&entry.origin, Origin::File { name: file, .. } if **file != *name))
        .map(|entry| {
            let value = entry.value.clone().unwrap_or_default();
            (entry.key.clone(), value, entry.origin.clone())
        });
    let all: Vec<_> = own.chain(included).collect();
    let has = |name: &[u8]| all.iter().any(|(key, ..)| key == name);
    let company = Company {
        is_emperor: has(b"emperor"),
        has_gid: has(b"gid"),
    };
    let mut errors: Vec<Finding> = read.findings;
    errors.retain(|each| each.level == Level::Error);
    let options: Vec<Line> = all
        .iter()
        .filter_map(|(key, value, origin)| {
            let place = place(origin, &target.location)?;
            let wrong = errors.iter().find(|each| is_at(each, &place));
            Some(line(key, value, &place, company, wrong))
        })
        .collect();
    errors.retain(|each| {
        let place = |line: &Line| {
            each.place.as_ref().map(|at| (shown(&at.path), at.line)) == Some((line.file.clone(), line.line))
        };
        !options.iter().any(place)
    });
    let problems = errors.iter().map(one_line).collect();
    File::new(target.file(), target.name.unit(), options, problems)
}

fn is_at(finding: &Finding, place: &Place) -> bool {
    let at = finding.place.as_ref();
    at.is_some_and(|at| at.path == place.path && at.line == place.line)
}

/// A finding in one line.
fn one_line(finding: &Finding) -> String {
    let place = finding.place.as_ref();
    let place = place.map_or(String::new(), |at| format!("{}:{}: ", shown(&at.path), at.line));
    format!("{place}{}{}", finding.message, hint(finding))
}

fn hint(finding: &Finding) -> String {
    let hint = finding.hint.as_ref();
    hint.map_or(String::new(), |hint| format!(" ({hint})"))
}

/// Facts about the other lines of a file that influence the fate of one.
#[derive(Clone, Copy, Debug)]
struct Company {
    is_emperor: bool,
    has_gid: bool,
}

fn line(key: &[u8], value: &[u8], place: &Place, company: Company, wrong: Option<&Finding>) -> Line {
    let (fate, remark) = match wrong {
        // The message about a refused option contains the table's text already.
        Some(finding) if disposition(key) != Disposition::Refused => {
            (Fate::Refused, format!("{}{}", finding.message, hint(finding)))
        }
        Some(_) | None => fate(key, company),
    };
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

/// Prints every file with its lines, then the summary.
fn text(report: &Report) -> String {
    let mut text = String::new();
    for file in &report.files {
        text += &format!("{}  {}\n", file.file, file.unit);
        let row = |line: &Line| {
            // For these, 'vassalctl options' has more.
            let remark = match line.fate {
                Fate::Native | Fate::Passed => String::new(),
                Fate::Changed | Fate::Ignored | Fate::Refused => line.remark.clone(),
            };
            let place = format!("{}:{}", line.file, line.line);
            [place, word(line.fate).to_owned(), line.option.clone(), remark]
        };
        let rows: Vec<_> = file.options.iter().map(row).collect();
        text += &table(&rows);
        for problem in &file.problems {
            text += &format!("  error: {problem}\n");
        }
        text.push('\n');
    }
    text + &summary(report)
}

fn word(fate: Fate) -> &'static str {
    let found = FATES.iter().find(|(each, _)| *each == fate);
    found.map_or("", |(_, word)| *word)
}

fn summary(report: &Report) -> String {
    let numbers = |name: &str, counts: &Counts, problems: usize| {
        let number = |fate| counts.get(&fate).copied().unwrap_or(0).to_string();
        let [native, passed, changed, ignored, refused] = FATES.map(|(fate, _)| number(fate));
        [
            name.to_owned(),
            native,
            passed,
            changed,
            ignored,
            refused,
            problems.to_string(),
        ]
    };
    let head = [
        "file", "native", "passed", "changed", "ignored", "refused", "errors",
    ];
    let mut rows = vec![head.map(str::to_owned)];
    let files = report.files.iter();
    rows.extend(files.map(|file| numbers(&file.file, &file.counts, file.problems.len())));
    let problems = report.files.iter().map(|file| file.problems.len()).sum();
    rows.push(numbers("all", &report.counts, problems));
    format!("summary\n{}", table(&rows))
}
