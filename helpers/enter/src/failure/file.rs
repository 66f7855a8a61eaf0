//! Failures to find or read the configuration files, and wrong unit names.

use std::fmt;
use std::path::PathBuf;
use vassal_config::emperor::name::Unfit;
use vassal_escape::{printable, shortened};

/// The most of a name that a message repeats.
const NAME_LIMIT: usize = 80;

/// Why the configuration files cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFailure {
    /// emperor.ini names no place of vassals.
    NoPlaces {
        /// The emperor's file.
        file: PathBuf,
    },
    /// A directory of vassals cannot be read.
    UnreadablePlace {
        /// The directory.
        place: Vec<u8>,
        /// Why.
        reason: String,
    },
    /// A file cannot be used by root.
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// The vassal has no file.
    Missing {
        /// The file's name.
        file: Vec<u8>,
        /// The places that were searched.
        places: Vec<Vec<u8>>,
    },
    /// The unit's instance is not a vassal's name.
    NotAVassal {
        /// The instance, unescaped.
        name: Vec<u8>,
        /// Why not.
        unfit: Unfit,
    },
    /// The instance is another escaped form of a vassal's name than the one that is used.
    OtherUnit {
        /// The instance.
        instance: Vec<u8>,
        /// The vassal that it stands for.
        name: Vec<u8>,
        /// That vassal's unit.
        unit: String,
    },
}

impl FileFailure {
    /// The public line, if it says more than that the configuration is wrong.
    pub fn public(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("it has no file (the journal says why)"),
            Self::NotAVassal { .. } => Some("the unit's name is no vassal's (the journal says why)"),
            Self::NoPlaces { .. }
            | Self::UnreadablePlace { .. }
            | Self::Unusable { .. }
            | Self::OtherUnit { .. } => None,
        }
    }
}

impl fmt::Display for FileFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlaces { file } => {
                let file = file.display();
                write!(
                    out,
                    "{file}: no 'emperor = DIRECTORY' line, so there are no vassals"
                )
            }
            Self::UnreadablePlace { place, reason } => {
                write!(out, "{}: cannot read it: {reason}", printable(place))
            }
            Self::Unusable { file, reason } => {
                let file = printable(file.as_os_str().as_encoded_bytes());
                write!(out, "{file}: cannot use it: {reason}")
            }
            Self::Missing { file, places } => {
                let places: Vec<_> = places.iter().map(|place| printable(place)).collect();
                write!(
                    out,
                    "there is no '{}' in {}",
                    printable(file),
                    places.join(" or ")
                )
            }
            Self::NotAVassal { name, unfit } => {
                let (name, short) = (printable(name), shortened(&printable(name), NAME_LIMIT));
                match unfit {
                    Unfit::TooLong => write!(out, "vassal '{short}': the name is too long for a unit"),
                    Unfit::Hidden => {
                        write!(out, "vassal '{name}': names that start with a dot are no vassals")
                    }
                    Unfit::NotIni | Unfit::NotAName => write!(out, "'{short}' is no name of a vassal"),
                }
            }
            Self::OtherUnit { instance, name, unit } => {
                let (instance, name) = (printable(instance), printable(name));
                write!(
                    out,
                    "'vassal@{instance}' is not the unit of vassal '{name}' (use '{unit}')"
                )
            }
        }
    }
}
