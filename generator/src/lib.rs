//! The generator's work: vassals' files in, drop-ins and wants-links out.
//!
//! systemd waits for it at boot and at every daemon-reload, so it asks no other process (no D-Bus, no name service, no
//! network), executes nothing, and waits for no filesystem longer than a named limit: files are read by children that
//! may be lost ([`apart`]), and a vassal whose file cannot be read keeps the drop-in it had ([`kept`]). It may import
//! vassal-config, vassal-escape, of vassal-state the places of records, and of vassal-sys the fork. What it cannot know at that
//! time it leaves to vassal-enter, which reads the
//! same files again at the start (ARCHITECTURE D2); a vassal whose drop-in is missing still starts right (D1). Start
//! reading at [`generate`].
//!
//! Rooms, each of which uses only those before it: pack, drop_in, output, read, answer, apart, kept, program.
#![forbid(unsafe_code)]

pub mod drop_in;

pub mod answer;
pub mod apart;
pub mod kept;
pub mod output;
pub mod pack;
mod program;
pub mod read;

use answer::{NO_ANSWER, Wanted, pack_result, unpack_result};
use drop_in::{Common, DropIn, Text};
use kept::{Kept, Last};
use output::Units;
use pack::Fields;
use read::Unit;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::{Kind, choose, name_of, shown};
use vassal_config::machine::trusted::Reader;
use vassal_config::vassal::address::listen_stream;
use vassal_escape::printable;
use vassal_escape::unit_name::escape;
use vassal_state::{health, restart_record};

/// The name of the program, by which it is started.
pub const NAME: &str = "vassal-generator";

/// The program, with the words behind its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    program::run(arguments, generate)
}

/// Generates the units of every vassal below `root` into `out`; what went wrong is returned, line by line, and has
/// spoiled nothing else.
pub fn generate(root: &Path, out: &Path) -> Vec<String> {
    let mut problems = Vec::new();
    let (mut statistics, changed) = (None, kept::live(root));
    let Some(units) = all(root, &mut statistics, &mut problems) else {
        problems.extend(kept::forget(root).err().map(|error| error.to_string()));
        return problems;
    };
    if let Err(error) = write(&units, statistics.as_deref(), out, &mut problems) {
        problems.push(format!("{}: {error}", out.display()));
    }
    forget_records(root, &units, &mut problems);
    let kept: Vec<Kept> = units.into_iter().map(|unit| unit.kept).collect();
    // Without it the next hang costs its vassal the limits it has.
    if let Err(error) = kept::store(root, &kept, &changed) {
        problems.push(format!("cannot keep what was generated: {error}, ignoring"));
    }
    problems
}

/// Vassals whose file is gone since the last time leave no record of their restarts behind.
fn forget_records(root: &Path, units: &[Generated], problems: &mut Vec<String>) {
    let records = root.join(restart_record::DIRECTORY.trim_start_matches('/'));
    let gone = kept::load(root)
        .into_iter()
        .filter_map(|kept| name_of(&kept.file).ok());
    for name in gone.filter(|name| units.binary_search_by(|unit| unit.name.cmp(name)).is_err()) {
        let forgotten = restart_record::forget(&records, &escape(name.bytes()));
        let health = health::forget(&records, &escape(name.bytes()));
        let errors = [forgotten.err(), health.err()].into_iter().flatten();
        problems.extend(errors.map(|error| format!("{error}, ignoring")));
    }
}

/// One vassal's unit.
struct Generated {
    name: VassalName,
    /// What it says next time, should its file not be readable then.
    kept: Kept,
    /// Why it says what it said last time.
    why: Option<String>,
}

fn write(
    units: &[Generated],
    statistics: Option<&str>,
    out: &Path,
    problems: &mut Vec<String>,
) -> std::io::Result<()> {
    if units.is_empty() && statistics.is_none() {
        return Ok(());
    }
    let directory = Units::open(out)?;
    if statistics.is_some() {
        directory.write_statistics(statistics)?;
    }
    for Generated { name, kept, why } in units {
        let text = match why {
            Some(why) => Text {
                service: format!(
                    "# ERROR: {}; this is what was generated last:\n{}",
                    printable(why.as_bytes()),
                    kept.text.service
                ),
                socket: kept.text.socket.clone(),
            },
            None => kept.text.clone(),
        };
        if let Err(error) = directory.write(name, &text) {
            problems.push(format!("{}: {error}", name.unit()));
        }
    }
    Ok(())
}

/// Every vassal's unit, sorted by name; nothing without an emperor's file.
fn all(root: &Path, statistics: &mut Option<String>, problems: &mut Vec<String>) -> Option<Vec<Generated>> {
    let wanted = match emperor(root) {
        Ok(wanted) => wanted?,
        // What runs keeps its limits until the file has been mended.
        Err(problem) => {
            problems.push(problem.clone());
            return Some(everything_kept(root, &problem));
        }
    };
    let Wanted {
        places,
        nofollow: _,
        common,
        statistics: told,
        problems: odd,
    } = wanted;
    *statistics = told;
    problems.extend(odd);
    let last = Last::of(root);
    let files = list(root, &places, &last, problems);
    let mut units = units(root, &files, &common, problems);
    let is_asked = |file: &&Listed| !matches!(units.get(file.path.as_slice()), Some(Unit::Unasked));
    let kind = |file: &Listed| match units.get(file.path.as_slice()) {
        Some(Unit::NoFile) => (file.path.clone(), Kind::Other),
        Some(Unit::DropIn(..) | Unit::Unreadable(_) | Unit::Unasked) | None => {
            (file.path.clone(), Kind::File)
        }
    };
    let (chosen, odd) = choose(files.iter().filter(is_asked).map(kind));
    problems.extend(odd);
    let place_of: BTreeMap<&[u8], &[u8]> = files
        .iter()
        .rev()
        .map(|file| (file.path.as_slice(), file.place.as_slice()))
        .collect();
    let generated = chosen.into_iter().map(|(name, file)| {
        let place = place_of
            .get(file.as_slice())
            .copied()
            .unwrap_or_default()
            .to_vec();
        let unit = units.remove(file.as_slice()).unwrap_or(Unit::NoFile);
        let bare = || DropIn::bare(&name, &file, &common).render();
        let (text, why) = text_of(unit, bare, &file, &last, problems);
        Generated {
            name,
            kept: Kept { place, file, text },
            why,
        }
    });
    Some(generated.collect())
}

/// What came of each of `files` that a vassal's name leads to.
fn units<'a>(
    root: &Path,
    files: &'a [Listed],
    common: &Common,
    problems: &mut Vec<String>,
) -> BTreeMap<&'a [u8], Unit> {
    let asked: Vec<(VassalName, &Vec<u8>)> = files
        .iter()
        .filter_map(|file| Some((name_of(&file.path).ok()?, &file.path)))
        .collect();
    let reader = Reader::default();
    let read = |(name, file): &(VassalName, &Vec<u8>)| read::unit(&reader, root, (name, file), common).pack();
    let answers = apart::each(&asked, read).unwrap_or_else(|error| {
        problems.push(format!("cannot read the vassals' files: {error}"));
        asked.iter().map(|_| None).collect()
    });
    let mut units = BTreeMap::new();
    for ((_, file), answer) in asked.iter().zip(answers) {
        let unit = answer.and_then(|answer| Unit::unpack(&answer));
        units.insert(
            file.as_slice(),
            unit.unwrap_or_else(|| Unit::Unreadable(NO_ANSWER.to_owned())),
        );
    }
    units
}

/// The drop-in that came of a file, or the one it had, and why.
fn text_of(
    unit: Unit,
    bare: impl FnOnce() -> Text,
    file: &[u8],
    last: &Last,
    problems: &mut Vec<String>,
) -> (Text, Option<String>) {
    match unit {
        Unit::DropIn(text, wrong) => {
            problems.extend(wrong);
            (text, None)
        }
        Unit::NoFile | Unit::Unasked => (bare(), None),
        Unit::Unreadable(why) => {
            let why = format!("{}: cannot read it: {why}", printable(file));
            problems.push(format!("{why}, so its unit stays as it is"));
            let text = last.text_of(file).unwrap_or_else(bare);
            (text, Some(why))
        }
    }
}

/// What of the emperor's file units need; nothing when there is none.
///
/// # Errors
/// A file that cannot be made sense of, or not be read in time.
pub fn emperor(root: &Path) -> Result<Option<Wanted>, String> {
    let read = |_: &()| {
        let read = read::emperor(root).map(|found| match found {
            None => Fields::new(),
            Some((emperor, mut problems)) => {
                let wanted = Wanted {
                    nofollow: emperor.nofollow,
                    common: Common::of(&emperor),
                    statistics: statistics_of(&emperor, &mut problems),
                    places: emperor.places,
                    problems,
                };
                [vec![b"wanted".to_vec()], wanted.pack()].concat()
            }
        });
        pack_result(read)
    };
    let answers = apart::each(&[()], read).map_err(|error| format!("cannot read emperor.ini: {error}"))?;
    let fields = unpack_result(answers.into_iter().next().flatten());
    let fields = fields.map_err(|why| match why.as_str() {
        NO_ANSWER => format!("/etc/vassal/emperor.ini: {why}, so all units stay as they are"),
        _ => why,
    })?;
    match fields.split_first() {
        None => Ok(None),
        Some((_, wanted)) => Wanted::unpack(wanted)
            .map(Some)
            .ok_or_else(|| NO_ANSWER.to_owned()),
    }
}

/// The drop-in of the socket of the statistics, where there is one.
fn statistics_of(emperor: &Emperor, problems: &mut Vec<String>) -> Option<String> {
    let (address, origin) = emperor.stats.as_ref()?;
    let stream = listen_stream(address);
    if stream.is_none() {
        problems.push(format!(
            "{origin}: emperor-stats: no address that systemd can listen at (write IP:PORT in numbers, or an absolute path), ignoring"
        ));
    }
    stream.map(|stream| drop_in::statistics(address, &stream))
}

/// A path in one of the emperor's places.
struct Listed {
    path: Vec<u8>,
    place: Vec<u8>,
}

/// Everything in the emperor's places, in their order. One that cannot be read has what it had.
fn list(root: &Path, places: &[Place], last: &Last, problems: &mut Vec<String>) -> Vec<Listed> {
    let answers = apart::each(places, |place| {
        pack_result(place.files(root).map_err(|error| error.to_string()))
    });
    let answers = answers.unwrap_or_else(|error| {
        problems.push(format!("cannot read the vassals' directories: {error}"));
        places.iter().map(|_| None).collect()
    });
    let mut listed = Vec::new();
    for (place, answer) in places.iter().zip(answers) {
        let files = unpack_result(answer).unwrap_or_else(|why| {
            problems.push(format!(
                "{}: cannot read it: {why}, so its vassals' units stay as they are",
                shown(place)
            ));
            last.files_in(place.path())
        });
        listed.extend(files.into_iter().map(|path| Listed {
            path,
            place: place.path().to_vec(),
        }));
    }
    listed
}

/// The units as they were, because of `problem`.
fn everything_kept(root: &Path, problem: &str) -> Vec<Generated> {
    let unit = |kept: Kept| {
        let name = name_of(&kept.file).ok()?;
        Some(Generated {
            name,
            kept,
            why: Some(problem.to_owned()),
        })
    };
    kept::load(root).into_iter().filter_map(unit).collect()
}
