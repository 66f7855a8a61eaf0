//! Reads emperor.ini and the vassal's file.

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

/// How long a file has to be missing to count as removed. Editors, git, rsync and administrators who replace a file or
/// its directory remove the old one first; a vassal that systemd restarts just then would otherwise fail for good.
const GONE: Duration = Duration::from_millis(500);
/// The same while a directory of the emperor's is missing, as in the emperor (vassal-emperor(8)): it is replaced by hand,
/// or mounted again.
const DIRECTORY_GONE: Duration = Duration::from_secs(2);
/// The time between two looks for a missing file.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// The error of a missing file.
const NOT_THERE: ReadError = ReadError::Failed {
    errno: Errno::ENOENT as i32,
};

/// Repeats `look` until it finds something, for at most the time that `limit` gives. `waits` is called after each look
/// that has found nothing.
fn patiently<T>(
    mut look: impl FnMut() -> Result<Option<T>, Failure>,
    limit: impl Fn() -> Duration,
    mut waits: impl FnMut(),
) -> Result<Option<T>, Failure> {
    let begun = Instant::now();
    loop {
        let found = look()?;
        if found.is_some() || begun.elapsed() >= limit() {
            return Ok(found);
        }
        waits();
        thread::sleep(LOOK_INTERVAL);
    }
}

/// How long a vassal's file is looked for.
fn limit(emperor: &Emperor) -> Duration {
    let root = Path::new("/");
    match emperor.places.iter().any(|place| place.is_missing(root)) {
        true => DIRECTORY_GONE,
        false => GONE,
    }
}

/// Reads emperor.ini. Its warnings are not reported here; the generator has reported them.
///
/// # Errors
/// A file that is missing or wrong.
pub fn read_emperor(file: &Path, environment: &Inherited) -> Result<Emperor, Failure> {
    let content = patiently(|| read(file), || GONE, || {})?;
    let content = content.ok_or_else(|| unusable(file, &NOT_THERE))?;
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

/// The pauses after failed attempts: the defaults if there were none, or if emperor.ini cannot be used.
pub fn pauses(record: &RestartRecord, environment: &Inherited) -> Pauses {
    if record.pause(Pauses::default()).is_zero() {
        return Pauses::default();
    }
    let emperor = read_emperor(Path::new(EMPEROR_FILE), environment);
    emperor.map_or_else(
        |_| Pauses::default(),
        |emperor| Pauses {
            first: emperor.time_limits.first_pause,
            longest: emperor.time_limits.pause_limit(),
        },
    )
}

/// A vassal's file.
#[derive(Debug)]
pub struct Found {
    /// The directory among the emperor's that contains it.
    pub directory: PathBuf,
    path: PathBuf,
    content: Trusted,
}

impl Found {
    /// The machine for evaluating the file. It uses the bytes that were checked, even if the file has changed since.
    pub fn world(&self, environment: Inherited) -> System {
        System::new(environment, self.directory.clone()).with_file(self.path.clone(), self.content.clone())
    }
}

/// Finds the vassal's file in the emperor's directories; the first one that has it counts. That directory becomes the
/// working directory, as under uWSGI's Emperor (V2).
///
/// # Errors
/// A place that cannot be searched, or a file that cannot be used.
pub fn find_file(
    emperor: &Emperor,
    name: &VassalName,
    waits: impl FnMut(),
) -> Result<Option<Found>, Failure> {
    let mut last = None;
    let look = || {
        last = find_path(emperor, name)?;
        let Some(path) = last.clone() else { return Ok(None) };
        Ok(read(&path)?.map(|content| Found {
            directory: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
            path,
            content,
        }))
    };
    let found = patiently(look, || limit(emperor), waits)?;
    match last {
        // A link to nowhere.
        Some(path) if found.is_none() => Err(unusable(&path, &NOT_THERE)),
        _ => Ok(found),
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

/// The failure of a vassal that has no file.
pub fn missing(emperor: &Emperor, name: &VassalName) -> Failure {
    let places = emperor.places.iter();
    FileFailure::Missing {
        file: name.file(),
        places: places.map(|place| place.path().to_vec()).collect(),
    }
    .into()
}

/// Whether the vassal has a file, right or wrong. If a place cannot be searched the answer is yes.
pub fn has_file(emperor: &Emperor, name: &VassalName) -> bool {
    let found = patiently(|| find_path(emperor, name), || limit(emperor), || {});
    !matches!(found, Ok(None))
}

/// Reads the present content of the vassal's file.
///
/// # Errors
/// The wrong lines.
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

/// Reads a configuration file, and checks that it may be trusted by root; `None` if there is none.
fn read(path: &Path) -> Result<Option<Trusted>, Failure> {
    match Reader::default().read(path) {
        Ok(content) => Ok(Some(content)),
        // The last one is a directory on NFS that was replaced.
        Err(ReadError::Failed { errno })
            if [Errno::ENOENT, Errno::ENOTDIR, Errno::ESTALE].contains(&Errno::from_raw(errno)) =>
        {
            Ok(None)
        }
        Err(error) => Err(unusable(path, &error)),
    }
}

fn unusable(file: &Path, error: &ReadError) -> Failure {
    let (file, reason) = (file.to_path_buf(), error.to_string());
    FileFailure::Unusable { file, reason }.into()
}
