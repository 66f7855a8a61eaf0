//! `vassalctl check`: errors, warnings and lints of vassals' files.

use crate::arguments::Check;
use crate::lints;
use crate::lints::host::Host;
use crate::lints::scene::Scene;
use crate::reading::dry_run::Scope;
use crate::reading::emperor_file;
use crate::reading::emperor_file::Found;
use crate::reading::finding::{Finding, Level, shown};
use crate::reading::location::below;
use crate::reading::recover::{read_vassal, sort};
use crate::reading::rule::Rule;
use crate::reading::targets;
use crate::reading::targets::Target;
use crate::render::check_report::{Checked, Report, text};
use crate::render::output;
use crate::render::output::{BAD, GOOD, WARNED};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::settings::Emperor;
use vassal_config::vassal::reload::overlap::decide;
use vassal_escape::printable;

/// Checks the files and prints the findings. The exit code says how bad they are.
pub fn run(arguments: &Check) -> ExitCode {
    let checked = match check(arguments) {
        Ok(checked) => checked,
        Err(why) => return output::fail(&why),
    };
    let worst = checked
        .iter()
        .flat_map(|file| &file.findings)
        .map(|each| each.level)
        .min();
    let code = match worst {
        Some(Level::Error) => BAD,
        Some(Level::Warning) => WARNED,
        Some(Level::Note) | None => GOOD,
    };
    if let Some(form) = arguments.format.json() {
        return match output::json(&Report::of(&checked), form) {
            Ok(text) => output::finish(&text, code),
            Err(why) => output::fail(&why),
        };
    }
    output::finish(&text(&checked, output::has_colors()), code)
}

fn check(arguments: &Check) -> Result<Vec<Checked>, String> {
    let root = targets::root(&arguments.place)?;
    let found = emperor_file::find(&arguments.place, &root);
    let host = (!arguments.files_only).then(|| Host::new(&root));
    let is_emperor = |path: &PathBuf| is_same(path, found.file.as_deref());
    let vassals = if arguments.paths.is_empty() {
        vec![Ok(of_emperor(&found, arguments, &root)?)]
    } else {
        let paths = arguments.paths.iter().filter(|path| !is_emperor(path));
        let targets = |path: &PathBuf| {
            let found = match targets::is_name(path) {
                true => targets::of_name(path.as_os_str(), &arguments.place)
                    .map(|(target, _)| (vec![target], Vec::new())),
                false => targets::of_path(path, &root),
            };
            found.map_err(|why| Box::new(unreadable(path, why)))
        };
        paths.map(targets).collect()
    };
    let mut checked = Vec::new();
    for vassals in vassals {
        match vassals {
            Ok((targets, odd)) => {
                let vassal = |target| vassal(target, &found.emperor, host.as_ref());
                checked.extend(targets.iter().map(vassal));
                checked.extend(odd.into_iter().map(odd_name));
            }
            Err(unreadable) => checked.push(*unreadable),
        }
    }
    // If particular vassals' files are named, emperor.ini is reported only if it is wrong.
    let is_asked = arguments.paths.is_empty() || arguments.paths.iter().any(is_emperor);
    if is_asked || found.is_wrong() {
        checked.splice(0..0, of_emperors_file(found, &root));
    }
    Ok(checked)
}

fn of_emperor(found: &Found, arguments: &Check, root: &Path) -> Result<(Vec<Target>, Vec<String>), String> {
    if found.file.is_none() {
        let file = shown(&arguments.place.emperor);
        return Err(format!("there is no '{file}', and no other file was named"));
    }
    Ok(targets::of_emperor(&found.emperor, root))
}

/// The findings about emperor.ini, including missing directories.
fn of_emperors_file(found: Found, root: &Path) -> Option<Checked> {
    let mut findings = found.findings;
    for place in &found.emperor.places {
        let Place::Directory(directory) = place else {
            continue;
        };
        let directory = Path::new(OsStr::from_bytes(directory));
        if !below(root, directory).is_dir() {
            findings.push(Finding {
                level: Level::Warning,
                rule: Some(Rule::MissingDirectory),
                place: None,
                message: format!(
                    "there is no directory '{}', so it has no vassals",
                    shown(directory)
                ),
                hint: Some("a vassal that is put there later is found by systemctl daemon-reload".to_owned()),
            });
        }
    }
    Some(Checked {
        file: shown(&found.file?),
        unit: None,
        findings,
        reload: None,
        health: None,
    })
}

/// Reads one vassal's file and runs the lints on it.
fn vassal(target: &Target, emperor: &Emperor, host: Option<&Host>) -> Checked {
    let scope = match host {
        Some(_) => Scope::Machine,
        None => Scope::FilesOnly,
    };
    let read = read_vassal(emperor, &target.name, &target.location, scope);
    let mut findings = read.findings;
    let reload = read.found.as_ref().map(|vassal| decide(&vassal.plan));
    let settings = read.found.as_ref().map(|vassal| &vassal.plan.settings);
    let health = settings.and_then(|settings| settings.health.sentence());
    if let Some(vassal) = &read.found {
        let scene = Scene {
            vassal,
            host,
            location: &target.location,
        };
        findings.extend(lints::run::run(&scene));
        sort(&mut findings);
    }
    Checked {
        file: target.file(),
        unit: Some(target.name.unit()),
        findings,
        reload,
        health,
    }
}

fn is_same(path: &Path, emperor: Option<&Path>) -> bool {
    let real = |path: &Path| -> Option<PathBuf> { path.canonicalize().ok() };
    emperor.is_some_and(|emperor| real(emperor).is_some() && real(emperor) == real(path))
}

/// A file whose name is not a vassal's; `message` begins with the name.
fn odd_name(message: String) -> Checked {
    let file = message.split(": ").next().unwrap_or_default().to_owned();
    about_name(file, message, Level::Warning)
}

fn unreadable(path: &Path, message: String) -> Checked {
    about_name(shown(path), message, Level::Error)
}

fn about_name(file: String, message: String, level: Level) -> Checked {
    Checked {
        file,
        unit: None,
        findings: vec![Finding {
            level,
            rule: Some(Rule::FileName),
            place: None,
            message: printable(message.as_bytes()),
            hint: None,
        }],
        reload: None,
        health: None,
    }
}
