//! `vassalctl migrate`: what becomes of every option of every file.
//!
//! Rooms, each of which uses only those before it: model, text.

mod model;
mod text;

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
use model::{Company, Fate, File, Line, Report, count, fate_in_emperors_file, fate_of, hint};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;
use text::text;
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::settings::Emperor;
use vassal_config::language::text::lex::lines;
use vassal_config::machine::trusted::Reader;

/// The unit of vassal-emperor(8), which follows emperor.ini.
const EMPEROR: &str = "vassal-emperor.service";
/// The section that uWSGI reads.
const SECTION: &[u8] = b"uwsgi";

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
            let wrong = findings
                .iter()
                .find(|each| each.level == Level::Error && is_at(each, &place));
            let fate = fate_in_emperors_file(line.key, wrong);
            Some(Line::new(line.key, line.value, &place, fate))
        });
    File::new(shown(path), EMPEROR.to_owned(), options.collect(), Vec::new())
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
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
            Some(Line::new(key, value, &place, fate_of(key, company, wrong)))
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
