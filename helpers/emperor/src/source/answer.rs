//! The input and the output of the process that reads the files.

use crate::reconcile::Stamp;
use std::collections::BTreeMap;
use vassal_config::emperor::name::VassalName;
use vassal_generator::drop_in::Text;

/// The results of the last scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cache {
    /// A hash of the settings in the emperor's file that the drop-ins depend on.
    pub settings: u64,
    /// The result for each file.
    pub files: BTreeMap<Vec<u8>, CachedFile>,
}

/// The result for a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CachedFile {
    /// Its dates.
    pub dates: Vec<u8>,
    /// The hash of its content.
    pub content: u64,
    /// See [`Content::socket`].
    pub socket: Option<u64>,
}

/// A directory to watch, and the name in it that is relevant; without one, all names are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    /// Its path.
    pub directory: Vec<u8>,
    /// The name.
    pub name: Option<Vec<u8>>,
    /// Whether writes to the file are relevant as well, and not only which file has the name.
    pub has_content: bool,
}

/// A file that was read, or whose dates have not changed since it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// Data that changes with every change of the file.
    pub dates: Vec<u8>,
    /// When it last changed, in nanoseconds since 1970.
    pub changed: i64,
    /// Content and date.
    pub stamp: Stamp,
    /// Whether it was not read again, because its dates have not changed.
    pub is_known: bool,
    /// Whether it is a link or has several names. Such a file was complete when its name appeared.
    pub is_whole: bool,
    /// Its drop-ins, if they differ from those in the generator's directory.
    pub drop_in: Option<Text>,
    /// For a vassal on demand, a hash of the drop-in of its socket.
    pub socket: Option<u64>,
    /// Errors in the lines that its unit depends on.
    pub problems: Vec<String>,
    /// The names on the way to a link's target.
    pub watched: Vec<Watched>,
}

/// What was found at a path with a vassal's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A vassal's file.
    File(Content),
    /// Not a regular file, so not a vassal's.
    NoFile,
    /// It could not be read this time.
    Unreadable(String),
}

/// A vassal's file and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// Its path.
    pub file: Vec<u8>,
    /// The place in the emperor's file that has it.
    pub place: Vec<u8>,
    /// What was found there.
    pub found: Found,
}

/// The result of a scan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why the emperor's file cannot be used; then nothing is known of the vassals.
    pub unusable: Option<String>,
    /// A hash of the settings in the emperor's file that the drop-ins depend on.
    pub settings: u64,
    /// The vassals.
    pub files: BTreeMap<VassalName, ListedFile>,
    /// The places that could not be read.
    pub unreadable: Vec<Vec<u8>>,
    /// The places that do not exist.
    pub absent: Vec<Vec<u8>>,
    /// The directories and names to watch.
    pub watched: Vec<Watched>,
    /// The drop-in of the socket of the statistics.
    pub statistics: Option<String>,
    /// Warnings and errors about files and places.
    pub problems: Vec<String>,
}
