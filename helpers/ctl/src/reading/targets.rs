//! Finds the vassals' files that the words of the command line stand for.

use crate::arguments::Place;
use crate::reading::emperor_file;
use crate::reading::emperor_file::Found;
use crate::reading::finding::shown;
use crate::reading::location::{Location, below};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_config::emperor::name::{ENDING, Unfit, VassalName};
use vassal_config::emperor::place;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::candidates;
use vassal_escape::printable;
use vassal_escape::unit_name::unescape;

/// A vassal's file.
#[derive(Debug)]
pub struct Target {
    /// The vassal.
    pub name: VassalName,
    /// The location of its file.
    pub location: Location,
}

impl Target {
    /// The file, for display.
    pub fn file(&self) -> String {
        shown(&self.location.shown(&self.name.file()))
    }

    fn at(root: &Path, path: &Path) -> Result<Self, String> {
        let file = path.file_name().unwrap_or_default().as_bytes();
        let name = VassalName::of_file(file).map_err(|unfit| format!("{}: {}", shown(path), why(unfit)))?;
        let location = Location::new(root, path.parent().unwrap_or(Path::new("")));
        Ok(Target { name, location })
    }
}

/// Why a file is not a vassal's.
fn why(unfit: Unfit) -> &'static str {
    match unfit {
        Unfit::NotIni => "no vassal's file: its name does not end in .ini",
        Unfit::Hidden => "no vassal's file: its name begins with a dot",
        Unfit::TooLong => "no unit can have such a long name",
        Unfit::NotAName => "no unit can have such a name",
    }
}

/// The machine's root directory, without links.
///
/// # Errors
/// When it does not exist.
pub fn root(place: &Place) -> Result<PathBuf, String> {
    let root = place.root.canonicalize();
    root.map_err(|error| format!("cannot look below '{}': {error}", shown(&place.root)))
}

/// The vassals' files in the emperor's places, with warnings about odd names.
pub fn of_emperor(emperor: &Emperor, root: &Path) -> (Vec<Target>, Vec<String>) {
    let (found, problems) = candidates(root, emperor);
    let target = |path: PathBuf, name| Target {
        name,
        location: Location::new(root, path.parent().unwrap_or(root)),
    };
    let targets = found.into_iter().map(|each| target(each.path, each.name));
    (targets.collect(), problems)
}

/// The vassals' files in the directory `path`, or the file `path` itself.
///
/// # Errors
/// When it is neither.
pub fn of_path(path: &Path, root: &Path) -> Result<(Vec<Target>, Vec<String>), String> {
    if !path.is_dir() {
        return match (Target::at(root, path), path.metadata()) {
            (Ok(target), _) => Ok((vec![target], Vec::new())),
            // A missing file is reported as missing, and not for its name.
            (Err(_), Err(error)) => Err(format!("{}: {error}", shown(path))),
            (Err(why), Ok(_)) => Err(why),
        };
    }
    let absolute = path
        .canonicalize()
        .map_err(|error| format!("{}: {error}", shown(path)))?;
    // The generator's rule decides which files are vassals'. `path` contains the root already.
    let mut only = Emperor::default();
    only.places
        .push(place::Place::Directory(absolute.as_os_str().as_bytes().to_vec()));
    let (found, problems) = candidates(Path::new("/"), &only);
    let location = Location::new(root, path);
    let target = |name| Target {
        name,
        location: location.clone(),
    };
    Ok((
        found.into_iter().map(|each| target(each.name)).collect(),
        problems,
    ))
}

/// Whether `text` can only be a vassal's name: no such file exists here, and it does not look like a file's path.
pub fn is_name(text: &Path) -> bool {
    let bytes = text.as_os_str().as_bytes();
    !bytes.contains(&b'/') && text.symlink_metadata().is_err()
}

/// The vassal that `text` stands for: its name, its unit, the unit's instance, or the path of its file.
///
/// # Errors
/// When there is none.
pub fn of_name(text: &OsStr, place: &Place) -> Result<(Target, Found), String> {
    let root = root(place)?;
    let emperor = emperor_file::find(place, &root);
    let path = Path::new(text);
    if text.as_bytes().contains(&b'/') || (text.as_bytes().ends_with(b".ini") && path.is_file()) {
        return Ok((Target::at(&root, path)?, emperor));
    }
    let names = names(text.as_bytes());
    let mut known = Vec::new();
    for place in &emperor.emperor.places {
        for name in &names {
            let found = place.file_of(name, &root);
            let found =
                found.map_err(|error| format!("{}: cannot read it: {error}", printable(place.path())))?;
            if let Some(file) = found {
                let directory = below(&root, file.parent().unwrap_or(Path::new("/")));
                let location = Location::new(&root, &directory);
                let name = name.clone();
                return Ok((Target { name, location }, emperor));
            }
        }
        known.push(printable(place.path()));
    }
    let file = shown(&place.emperor);
    Err(match known.as_slice() {
        [] => format!(
            "there is no vassal '{}', as '{file}' names no directory",
            shown(path)
        ),
        known => format!("there is no vassal '{}' in {}", shown(path), known.join(" or ")),
    })
}

/// The vassals that `text` may stand for: by name, and by instance.
fn names(text: &[u8]) -> Vec<VassalName> {
    let instance = text.strip_prefix(b"vassal@").unwrap_or(text);
    let instance = instance.strip_suffix(b".service").unwrap_or(instance);
    let plain = instance.strip_suffix(ENDING).unwrap_or(instance);
    let names = [plain.to_vec(), unescape(instance)];
    let names = names.iter().filter_map(|name| VassalName::parse(name).ok());
    names.collect()
}
