//! Finds all errors of a file: runs the code of a start again and again, each time with the wrong lines blanked, until
//! it finds no further error.

use crate::reading::dry_run::{DryRun, Lines, Scope};
use crate::reading::finding::{Finding, Level};
use crate::reading::location::Location;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::{Diagnostic, Origin};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::machine::trusted::Reader;
use vassal_config::machine::world::World;
use vassal_config::vassal::payload::Payload;
use vassal_config::vassal::push;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;

/// How often a file is read at most. Most errors are found in one turn; only those that end the reading cost another
/// one.
const MOST_TURNS: usize = 50;

/// The result of reading a file.
#[derive(Debug)]
pub struct Read<T> {
    /// Its meaning; `None` if it has errors.
    pub found: Option<T>,
    /// The findings, sorted by place.
    pub findings: Vec<Finding>,
}

/// Reads the file of the vassal `name` in `location` as `vassal-enter` does.
pub fn read_vassal(emperor: &Emperor, name: &VassalName, location: &Location, scope: Scope) -> Read<Vassal> {
    let file = location.outside(&name.file());
    if let Err(error) = Reader::default().read(&file) {
        let shown = crate::reading::finding::shown(&location.shown(&name.file()));
        let error = Diagnostic::error(None, format!("{shown}: cannot use it: {error}"));
        return Read {
            found: None,
            findings: vec![Finding::of(error, location)],
        };
    }
    recover(location, scope, |world| {
        let mut vassal = read::read(emperor, name, world)?;
        if let Payload::Uwsgi { entries, program: _ } = &vassal.plan.payload {
            push::message(entries, &[]).map_err(|error| vec![error])?;
        }
        let warnings = std::mem::take(&mut vassal.warnings);
        Ok((vassal, warnings))
    })
}

/// Reads with `once`. As long as that refuses a line, the line is blanked and it reads again.
pub fn recover<T>(
    location: &Location,
    scope: Scope,
    once: impl Fn(&dyn World) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>>,
) -> Read<T> {
    let mut world = DryRun::new(location, scope);
    let (found, diagnostics) = match once(&world) {
        Ok((read, mut warnings)) => {
            let not_run = world.not_run();
            warnings.retain(|each| !not_run.iter().any(|what| each.message.contains(what)));
            (Some(read), warnings)
        }
        // There are no warnings in this case, because they may be about the blanked lines.
        Err(first) => (None, all_errors(&mut world, first, &once)),
    };
    let mut findings: Vec<Finding> = diagnostics
        .into_iter()
        .map(|each| Finding::of(each, location))
        .collect();
    findings.extend(world.not_run().into_iter().map(not_run));
    sort(&mut findings);
    Read { found, findings }
}

/// The `first` errors, and those that appear when their lines are blanked.
fn all_errors<T>(
    world: &mut DryRun,
    first: Vec<Diagnostic>,
    once: &impl Fn(&dyn World) -> Result<(T, Vec<Diagnostic>), Vec<Diagnostic>>,
) -> Vec<Diagnostic> {
    let mut lines: Lines = first.iter().filter_map(line_of).collect();
    let mut all = first;
    for _ in 1..MOST_TURNS {
        if lines.is_empty() {
            break;
        }
        world.blanked.append(&mut lines);
        for error in once(world).err().unwrap_or_default() {
            // An error without a line may be a consequence of a blanked line.
            let line = line_of(&error).filter(|line| !world.blanked.contains(line));
            if let Some(line) = line {
                lines.insert(line);
                all.push(error);
            }
        }
    }
    all
}

fn line_of(error: &Diagnostic) -> Option<(Vec<u8>, u32)> {
    match error.origin.as_ref()? {
        Origin::File {
            name,
            line,
            column: _,
        } => Some((name.to_vec(), *line)),
        Origin::CommandLine | Origin::Environment => None,
    }
}

fn not_run(what: String) -> Finding {
    Finding {
        level: Level::Note,
        rule: Some(Rule::NotRun),
        place: None,
        message: format!("{what} was not read: it counts as empty here"),
        hint: Some("nothing is executed by this program; a start does it".to_owned()),
    }
}

/// Sorts by place; findings without a place come first.
pub fn sort(findings: &mut [Finding]) {
    findings.sort_by(|one, other| key(one).cmp(&key(other)));
}

fn key(finding: &Finding) -> Option<(&std::path::Path, u32, u32, Level)> {
    let place = finding.place.as_ref()?;
    Some((&place.path, place.line, place.column, finding.level))
}
