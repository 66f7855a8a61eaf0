//! The emperor's file and the vassals' files, as far as units need them. Everything here may wait for a filesystem for ever; the
//! generator calls it in processes that may be lost ([`crate::apart`]).

use crate::drop_in::{DropIn, StopHook};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::{EMPEROR_FILE, outside, read_emperor_file};
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, Trusted};
use vassal_config::machine::world::ReadError;
use vassal_config::unit::directives::directives;
use vassal_config::vassal::read::judge_writers;

/// errno(3): a name that is not there, a link that leads nowhere or in a circle.
const NOWHERE: [i32; 3] = [2, 20, 40];

/// Reads the emperor's file, with the warnings about it; `None` when there is none, which is no problem.
///
/// # Errors
/// A file that cannot be made sense of, in one line.
pub fn emperor(root: &Path) -> Result<Option<(Emperor, Vec<String>)>, String> {
    let file = outside(root, EMPEROR_FILE.as_bytes());
    let content =
        read_emperor_file(&file).map_err(|error| format!("{}: cannot use it: {error}", file.display()))?;
    let Some(content) = content else {
        return Ok(None);
    };
    let directory = file.parent().unwrap_or(root).to_path_buf();
    let world = System::new([].into(), directory)
        .without_sources()
        .with_file(file.clone(), content);
    let (emperor, warnings) = Emperor::read(&file.into_os_string().into_vec(), &world)
        .map_err(|error| error.public().to_string())?;
    Ok(Some((emperor, warnings.iter().map(public).collect())))
}

/// What the units' files and the kernel's log say, which everybody may read: vassal-enter, which reads the same file, tells the
/// journal what is wrong with it.
fn public(found: &Diagnostic) -> String {
    found.public().to_string()
}

/// What came of reading one vassal's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Its drop-in, and what is wrong with the file.
    DropIn(String, Vec<String>),
    /// It is no regular file, so it is no vassal's.
    NoFile,
    /// The system did not let it be read, which may be otherwise the next time.
    Unreadable(String),
}

/// Reads the vassal's file at `file` below `root`, and makes its drop-in.
pub fn unit(
    reader: &Reader,
    root: &Path,
    (name, file): (&VassalName, &[u8]),
    stop_hook: Option<&StopHook>,
) -> Unit {
    let read = reader.read(&outside(root, file));
    unit_of(read, root, (name, file), stop_hook)
}

/// The same of a file that was read, or could not be.
pub fn unit_of(
    read: Result<Trusted, ReadError>,
    root: &Path,
    (name, file): (&VassalName, &[u8]),
    stop_hook: Option<&StopHook>,
) -> Unit {
    let path = outside(root, file);
    let (directives, problems) = match read {
        Ok(read) => {
            let (taken, errors) = directives(&read.content, &name.file());
            let errors: Vec<String> = errors.iter().map(public).collect();
            match open_to_others(root, name, &path, read) {
                Ok(warnings) => (taken, [warnings, errors].concat()),
                Err(refused) => (Vec::new(), refused),
            }
        }
        Err(ReadError::Directory | ReadError::NotAFile) => return Unit::NoFile,
        Err(ReadError::Failed { errno }) if NOWHERE.contains(&errno) => return Unit::NoFile,
        Err(error @ ReadError::Failed { .. }) => return Unit::Unreadable(error.to_string()),
        Err(error @ (ReadError::TooLarge { .. } | ReadError::TooSlow { .. } | ReadError::Refused { .. })) => {
            (
                Vec::new(),
                vec![format!("{}: cannot use it: {error}", path.display())],
            )
        }
    };
    let drop_in = DropIn {
        name,
        file,
        stop_hook,
        directives,
        problems: problems.clone(),
    };
    Unit::DropIn(drop_in.render(), problems)
}

/// What is to be said of a file that root alone could not have written, which depends on who the vassal runs as.
///
/// # Errors
/// Why it adds nothing to the unit.
fn open_to_others(
    root: &Path,
    name: &VassalName,
    path: &Path,
    read: Trusted,
) -> Result<Vec<String>, Vec<String>> {
    if read.open.is_empty() {
        return Ok(Vec::new());
    }
    let emperor = emperor(root).map_err(|problem| vec![problem])?;
    let (emperor, _) = emperor.unwrap_or_default();
    let directory = path.parent().unwrap_or(root).to_path_buf();
    let world = System::new([].into(), directory)
        .without_sources()
        .with_file(path.to_path_buf(), read);
    let judgement = judge_writers(&emperor, name, &world).map_err(|wrong| vec![public(&wrong)])?;
    // Paths, and the names of those who may write there: no value.
    let lines = |found: &[Diagnostic]| found.iter().map(ToString::to_string).collect();
    match judgement.errors.as_slice() {
        [] => Ok(lines(&judgement.warnings)),
        errors => Err(lines(errors)),
    }
}
