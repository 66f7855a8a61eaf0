//! What the process that reads the files is given, and what it answers.

use crate::reconcile::Stamp;
use std::collections::BTreeMap;
use vassal_config::emperor::name::VassalName;
use vassal_generator::drop_in::Text;

/// What has been read before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// What of the emperor's file the drop-ins were made with.
    pub settings: u64,
    /// What was found in each file.
    pub files: BTreeMap<Vec<u8>, Before>,
}

/// What was found in a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    /// Its dates.
    pub dates: Vec<u8>,
    /// The hash of its content.
    pub content: u64,
    /// See [`Content::socket`].
    pub socket: Option<u64>,
}

/// A directory, and the name in it that matters, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    /// Its path.
    pub directory: Vec<u8>,
    /// The name.
    pub name: Option<Vec<u8>>,
    /// Whether what is written into it matters, too, and not only which file it is.
    pub has_content: bool,
}

/// A file that was read, or that has the dates it had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// What changes with anything that happens to it.
    pub dates: Vec<u8>,
    /// When that was, in nanoseconds since 1970.
    pub changed: i64,
    /// Content and date.
    pub stamp: Stamp,
    /// It has the dates it had, and was not read.
    pub is_known: bool,
    /// It is a link, or has several names, so it was complete when its name appeared.
    pub is_whole: bool,
    /// Its drop-ins, where they are not what the generator's directory has.
    pub drop_in: Option<Text>,
    /// A hash of its socket's, where its first connection starts it.
    pub socket: Option<u64>,
    /// What is wrong with it, as far as its unit is concerned.
    pub problems: Vec<String>,
    /// The names on the way to where a link leads.
    pub watched: Vec<Watched>,
}

/// What is at a path that has a vassal's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A vassal's file.
    File(Content),
    /// No regular file, so no vassal's.
    NoFile,
    /// It could not be read this time.
    Unreadable(String),
}

/// A vassal's file and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path.
    pub file: Vec<u8>,
    /// The place of the emperor's file that has it.
    pub place: Vec<u8>,
    /// What is there.
    pub found: Seen,
}

/// Everything that a scan finds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Why the emperor's file cannot be used, so that nothing is known of the vassals.
    pub unusable: Option<String>,
    /// What of the emperor's file the drop-ins were made with.
    pub settings: u64,
    /// The vassals.
    pub files: BTreeMap<VassalName, Listed>,
    /// The places that could not be read.
    pub unreadable: Vec<Vec<u8>>,
    /// The places that are not there.
    pub absent: Vec<Vec<u8>>,
    /// What to watch.
    pub watched: Vec<Watched>,
    /// The drop-in of the socket of the statistics.
    pub statistics: Option<String>,
    /// What is odd about files and places.
    pub problems: Vec<String>,
}
