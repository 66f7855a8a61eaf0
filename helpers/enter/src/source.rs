//! The two files: the emperor's, and the vassal's, read now as uWSGI would read it now.

use crate::failure::Failure;
use crate::start::{Inherited, Start};
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::emperor::Emperor;
use vassal_config::entries::evaluate;
use vassal_config::name::VassalName;
use vassal_config::system::{System, read_trusted};
use vassal_config::vassal::{self, Vassal};
use vassal_sys::text::printable;

/// The emperor's file.
pub const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";

/// Reads the emperor's file; its warnings are told when it is read for the generator, not at every start.
///
/// # Errors
/// A file that is missing or cannot be made sense of.
pub fn read_emperor(file: &Path, environment: &Inherited) -> Result<Emperor, Failure> {
    let content = read(file)?;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let world =
        System::new(environment.clone(), directory.to_path_buf()).with_file(file.to_path_buf(), content);
    let arguments = [b"--ini".to_vec(), file.as_os_str().as_bytes().to_vec()];
    let evaluation = evaluate(&arguments, &world)?;
    let (emperor, _) = Emperor::from_entries(&evaluation.effects)?;
    if emperor.directories.is_empty() {
        let shown = file.display();
        return Err(Failure::config(format!(
            "{shown}: no 'emperor = DIRECTORY' line, so there are no vassals"
        )));
    }
    Ok(emperor)
}

/// A vassal's file.
#[derive(Debug)]
pub struct Found {
    /// The directory of the emperor's that has it.
    pub directory: PathBuf,
    path: PathBuf,
    content: Vec<u8>,
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
/// No such file anywhere, or one that cannot be a configuration.
pub fn find_file(emperor: &Emperor, name: &VassalName) -> Result<Found, Failure> {
    if let Some((directory, path)) = places(emperor, name).find(|(_, path)| is_there(path)) {
        let content = read(&path)?;
        return Ok(Found {
            directory,
            path,
            content,
        });
    }
    let places: Vec<_> = emperor
        .directories
        .iter()
        .map(|directory| printable(directory))
        .collect();
    Err(Failure::config(format!(
        "there is no '{}' in {}",
        printable(&name.file()),
        places.join(" or ")
    )))
}

/// Whether the vassal has a file, good or bad.
pub fn has_file(emperor: &Emperor, name: &VassalName) -> bool {
    places(emperor, name).any(|(_, path)| is_there(&path))
}

/// The emperor's directories, and the path that the vassal's file has in each.
fn places(emperor: &Emperor, name: &VassalName) -> impl Iterator<Item = (PathBuf, PathBuf)> {
    let name = name.file();
    emperor.directories.iter().map(move |directory| {
        let directory = PathBuf::from(OsStr::from_bytes(directory));
        let path = directory.join(OsStr::from_bytes(&name));
        (directory, path)
    })
}

/// Anything but a file that is certainly not there: what is wrong with it is told when it is read.
fn is_there(path: &Path) -> bool {
    let missing =
        |error: std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    !path.symlink_metadata().is_err_and(missing)
}

/// Reads the vassal's file as it is now.
///
/// # Errors
/// The lines that are wrong.
pub fn read_vassal(emperor: &Emperor, start: &Start, found: &Found) -> Result<Vassal, Failure> {
    let vassal = vassal::read(emperor, &start.vassal, &found.world(start.environment.clone()))?;
    for warning in &vassal.warnings {
        start.warn(&warning.to_string());
    }
    Ok(vassal)
}

/// The content of a configuration file, which is trusted with root.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let shown = printable(path.as_os_str().as_bytes());
    read_trusted(path).map_err(|error| Failure::config(format!("{shown}: cannot use it: {error}")))
}
