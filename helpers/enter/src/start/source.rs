//! The two files: the emperor's, and the vassal's, read now as uWSGI would read it now.

use crate::environment::Inherited;
use crate::failure::{Failure, FileFailure};
use crate::invocation::Invocation;
use nix::errno::Errno;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::{self, EMPEROR_FILE};
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, Trusted};
use vassal_config::machine::world::ReadError;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;
use vassal_state::restart_record::{Pauses, RestartRecord};

/// How long a file has to be missing to count as gone: editors, git, rsync and people who replace a file or its directory remove
/// the old one first, and a vassal that systemd starts again just then would fail for good.
const GONE: Duration = Duration::from_millis(500);
/// How often it is looked for meanwhile.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// What is said of such a file.
const NOT_THERE: ReadError = ReadError::Failed {
    errno: Errno::ENOENT as i32,
};

/// Looks until there is something, or for [`GONE`].
fn patiently<T>(mut look: impl FnMut() -> Result<Option<T>, Failure>) -> Result<Option<T>, Failure> {
    let begun = Instant::now();
    loop {
        let found = look()?;
        if found.is_some() || begun.elapsed() >= GONE {
            return Ok(found);
        }
        thread::sleep(LOOK_INTERVAL);
    }
}

/// Reads the emperor's file; the generator reports its warnings, a start does not repeat them.
///
/// # Errors
/// A file that is missing or cannot be made sense of.
pub fn read_emperor(file: &Path, environment: &Inherited) -> Result<Emperor, Failure> {
    let content = patiently(|| read(file))?.ok_or_else(|| unusable(file, &NOT_THERE))?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let world =
        System::new(environment.clone(), directory.to_path_buf()).with_file(file.to_path_buf(), content);
    let (emperor, _) = Emperor::read(file.as_os_str().as_bytes(), &world)?;
    if emperor.places.is_empty() {
        return Err(FileFailure::NoPlaces {
            file: file.to_path_buf(),
        }
        .into());
    }
    Ok(emperor)
}

/// How long the pauses after failed attempts are; what is usual while there are none, or where the emperor's file cannot be used.
pub fn pauses(record: &RestartRecord, environment: &Inherited) -> Pauses {
    if record.pause(Pauses::default()).is_zero() {
        return Pauses::default();
    }
    let emperor = read_emperor(Path::new(EMPEROR_FILE), environment);
    emperor.map_or_else(
        |_| Pauses::default(),
        |emperor| Pauses {
            first: emperor.patience.first_pause,
            longest: emperor.patience.most(),
        },
    )
}

/// A vassal's file.
#[derive(Debug)]
pub struct Found {
    /// The directory of the emperor's that has it.
    pub directory: PathBuf,
    path: PathBuf,
    content: Trusted,
}

impl Found {
    /// The machine in which the file is evaluated: with the bytes that were checked, whatever has become of the file.
    pub fn world(&self, environment: Inherited) -> System {
        System::new(environment, self.directory.clone()).with_file(self.path.clone(), self.content.clone())
    }
}

/// Finds the vassal's file in the emperor's directories; the first that has it wins. That directory is the working
/// directory of everything that follows, as under uWSGI's Emperor (V2).
///
/// # Errors
/// A place that cannot be searched, or a file that cannot be a configuration.
pub fn find_file(emperor: &Emperor, name: &VassalName) -> Result<Option<Found>, Failure> {
    let found = patiently(|| {
        let Some(path) = find_path(emperor, name)? else {
            return Ok(None);
        };
        Ok(read(&path)?.map(|content| Found {
            directory: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
            path,
            content,
        }))
    })?;
    if found.is_some() {
        return Ok(found);
    }
    match find_path(emperor, name)? {
        // A link to nowhere.
        Some(path) => Err(unusable(&path, &NOT_THERE)),
        None => Ok(None),
    }
}

fn find_path(emperor: &Emperor, name: &VassalName) -> Result<Option<PathBuf>, Failure> {
    vassals::find(emperor, name, Path::new("/")).map_err(|(place, error)| {
        FileFailure::UnreadablePlace {
            place: place.path().to_vec(),
            reason: error.to_string(),
        }
        .into()
    })
}

/// Said of a vassal that has no file.
pub fn missing(emperor: &Emperor, name: &VassalName) -> Failure {
    let places = emperor.places.iter();
    FileFailure::Missing {
        file: name.file(),
        places: places.map(|place| place.path().to_vec()).collect(),
    }
    .into()
}

/// Whether the vassal has a file, good or bad; a place that cannot be searched may have one.
pub fn has_file(emperor: &Emperor, name: &VassalName) -> bool {
    !matches!(patiently(|| find_path(emperor, name)), Ok(None))
}

/// Reads the vassal's file as it is now.
///
/// # Errors
/// The lines that are wrong.
pub fn read_vassal(emperor: &Emperor, invocation: &Invocation, found: &Found) -> Result<Vassal, Failure> {
    let vassal = read::read(
        emperor,
        &invocation.vassal,
        &found.world(invocation.environment.clone()),
    )?;
    for warning in &vassal.warnings {
        invocation.warn(&warning.to_string());
    }
    Ok(vassal)
}

/// The content of a configuration file, which is trusted with root; nothing when it is not there.
fn read(path: &Path) -> Result<Option<Trusted>, Failure> {
    match Reader::default().read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error == NOT_THERE => Ok(None),
        Err(error) => Err(unusable(path, &error)),
    }
}

fn unusable(file: &Path, error: &ReadError) -> Failure {
    let (file, reason) = (file.to_path_buf(), error.to_string());
    FileFailure::Unusable { file, reason }.into()
}
