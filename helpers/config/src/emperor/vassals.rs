//! Which files are vassals, and which file belongs to a name. Every program uses these functions.

use crate::emperor::name::{Unfit, VassalName};
use crate::emperor::place::{Place, split};
use crate::emperor::settings::Emperor;
use crate::machine::trusted::{Reader, Trusted};
use crate::machine::world::ReadError;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use vassal_escape::printable;

/// The emperor's file.
pub const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";

/// A vassal's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The vassal's name.
    pub name: VassalName,
    /// The path by which it can be opened.
    pub path: PathBuf,
    /// The path on its machine, without the root directory.
    pub file: Vec<u8>,
}

/// Reads the emperor.ini at `path`, once: the bytes that were checked have to be evaluated
/// ([`System::with_file`](crate::machine::system::System::with_file)). `None` if it does not exist.
///
/// # Errors
/// As [`Reader::read`].
pub fn read_emperor_file(path: &Path) -> Result<Option<Trusted>, ReadError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Ok(_) | Err(_) => Reader::default().read(path).map(Some),
    }
}

/// The path of the file of `name`, in the first of the emperor's places that contains one. The path is below `root`,
/// which is not part of it.
///
/// # Errors
/// A place before that one cannot be searched.
pub fn find<'a>(
    emperor: &'a Emperor,
    name: &VassalName,
    root: &Path,
) -> Result<Option<PathBuf>, (&'a Place, ReadError)> {
    for place in &emperor.places {
        if let Some(path) = place.file_of(name, root).map_err(|error| (place, error))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// The type of a path in the emperor's places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file, or one that could not be examined.
    File,
    /// Anything else (EMP-3).
    Other,
}

/// The vassals among `files`, sorted by name. If several have the same name, the first one counts. Also returns
/// warnings about other files that look like vassals.
pub fn choose(
    files: impl IntoIterator<Item = (Vec<u8>, Kind)>,
) -> (BTreeMap<VassalName, Vec<u8>>, Vec<String>) {
    let mut found: BTreeMap<VassalName, Vec<u8>> = BTreeMap::new();
    let mut problems = Vec::new();
    for (file, kind) in files {
        let odd = match (name_of(&file), kind) {
            (Err(Unfit::NotIni | Unfit::Hidden), _) => continue,
            (Err(Unfit::TooLong | Unfit::NotAName), _) => "no unit can have such a name",
            (Ok(_), Kind::Other) => "not a regular file",
            (Ok(name), Kind::File) => match found.get(&name) {
                None => {
                    found.insert(name, file);
                    continue;
                }
                // The path was found by two `emperor` lines.
                Some(earlier) if *earlier == file => continue,
                Some(_) => "an earlier directory has a vassal of this name",
            },
        };
        problems.push(format!("{}: {odd}, skipping", printable(&file)));
    }
    (found, problems)
}

/// The name of the vassal whose file is at this path.
///
/// # Errors
/// Why it is not a vassal's file.
pub fn name_of(file: &[u8]) -> Result<VassalName, Unfit> {
    VassalName::of_file(split(file).1)
}

/// All vassals in the emperor's places, and messages about what cannot be read there.
pub fn candidates(root: &Path, emperor: &Emperor) -> (Vec<Candidate>, Vec<String>) {
    let mut files = Vec::new();
    let mut unreadable = Vec::new();
    for place in &emperor.places {
        match place.files(root) {
            Ok(found) => files.extend(found),
            Err(error) => unreadable.push(format!("{}: cannot read it: {error}, skipping", shown(place))),
        }
    }
    let kind = |file: Vec<u8>| {
        let is_file = name_of(&file).is_ok() && outside(root, &file).is_file();
        (file, if is_file { Kind::File } else { Kind::Other })
    };
    let (found, odd) = choose(files.into_iter().map(kind));
    let candidate = |(name, file): (VassalName, Vec<u8>)| Candidate {
        name,
        path: outside(root, &file),
        file,
    };
    unreadable.extend(odd);
    (found.into_iter().map(candidate).collect(), unreadable)
}

/// A place, for display.
pub fn shown(place: &Place) -> String {
    printable(place.path())
}

/// A path on the machine, as it can be opened here: below `root`.
pub fn outside(root: &Path, file: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(file.strip_prefix(b"/").unwrap_or(file)))
}
