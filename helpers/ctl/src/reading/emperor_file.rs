//! Reads emperor.ini, if there is one.

use crate::arguments::Place;
use crate::reading::dry_run::Scope;
use crate::reading::finding::{Finding, Level};
use crate::reading::location::Location;
use crate::reading::recover::{Read, recover};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::read_emperor_file;
use vassal_config::machine::world::World;

/// The settings with which vassals' files are read.
#[derive(Debug)]
pub struct Found {
    /// The settings of emperor.ini; without a file, [`default`].
    pub emperor: Emperor,
    /// The file as it was named; `None` if it does not exist.
    pub file: Option<PathBuf>,
    /// The findings about it.
    pub findings: Vec<Finding>,
}

impl Found {
    /// Whether it has errors, with which no vassal starts.
    pub fn is_wrong(&self) -> bool {
        self.findings.iter().any(|each| each.level == Level::Error)
    }
}

/// Reads the emperor.ini of `place`; a missing one is no error.
pub fn find(place: &Place, root: &Path) -> Found {
    let file = file_of(place, root);
    let location = Location::new(root, file.parent().unwrap_or(Path::new("")));
    let Read { found, findings } = match read_emperor_file(&file) {
        Ok(None) => {
            return Found {
                emperor: default(),
                file: None,
                findings: Vec::new(),
            };
        }
        Ok(Some(_)) => read(&file, &location),
        Err(error) => {
            let shown = crate::reading::finding::shown(&file);
            let message = format!("{shown}: cannot use it: {error}");
            Read {
                found: None,
                findings: vec![Finding::of(Diagnostic::error(None, message), &location)],
            }
        }
    };
    Found {
        emperor: found.unwrap_or_else(default),
        file: Some(file),
        findings,
    }
}

/// The file as it can be opened here. A relative path is relative to the present directory, an absolute one belongs to
/// the machine.
fn file_of(place: &Place, root: &Path) -> PathBuf {
    if place.emperor.is_absolute() {
        crate::reading::location::below(root, &place.emperor)
    } else {
        place.emperor.clone()
    }
}

fn read(file: &Path, location: &Location) -> Read<Emperor> {
    let name = location.inside().join(file.file_name().unwrap_or_default());
    let once = |world: &dyn World| {
        let (emperor, warnings) =
            Emperor::read(name.as_os_str().as_bytes(), world).map_err(|error| vec![error])?;
        if emperor.places.is_empty() {
            let message = "no 'emperor = DIRECTORY' line, so there are no vassals";
            return Err(vec![Diagnostic::error(None, message)]);
        }
        Ok((emperor, warnings))
    };
    recover(location, Scope::FilesOnly, once)
}

/// The settings of the Emperor in uWSGI's tutorial.
fn default() -> Emperor {
    let mut emperor = Emperor::default();
    emperor.namespaces.mount = true;
    emperor.namespaces.pid = true;
    emperor
}
