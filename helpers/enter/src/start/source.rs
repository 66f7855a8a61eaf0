//! Reads emperor.ini and the vassal's file.

use crate::environment::Inherited;
use crate::failure::{Failure, FileFailure};
use crate::invocation::Invocation;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::{self, EMPEROR_FILE};
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, Trusted};
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;
use vassal_state::restart_record::{Pauses, RestartRecord};

/// Reads emperor.ini. Its warnings are not reported here; the generator has reported them.
///
/// # Errors
/// A file that is missing or wrong.
pub fn read_emperor(file: &Path, environment: &Inherited) -> Result<Emperor, Failure> {
    let content = read(file)?;
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
            first: emperor.patience.first_pause,
            longest: emperor.patience.most(),
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
pub fn find_file(emperor: &Emperor, name: &VassalName) -> Result<Option<Found>, Failure> {
    let path = vassals::find(emperor, name, Path::new("/")).map_err(|(place, error)| {
        FileFailure::UnreadablePlace {
            place: place.path().to_vec(),
            reason: error.to_string(),
        }
    })?;
    let Some(path) = path else { return Ok(None) };
    let content = read(&path)?;
    Ok(Some(Found {
        directory: path.parent().unwrap_or(Path::new("/")).to_path_buf(),
        path,
        content,
    }))
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
    !matches!(vassals::find(emperor, name, Path::new("/")), Ok(None))
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

/// Reads a configuration file, and checks that it may be trusted by root.
fn read(path: &Path) -> Result<Trusted, Failure> {
    Reader::default().read(path).map_err(|error| {
        let (file, reason) = (path.to_path_buf(), error.to_string());
        FileFailure::Unusable { file, reason }.into()
    })
}
