//! What is remembered from file to file while a configuration is read (S7, I6, M7, M8).

use crate::diagnostic::Origin;
use crate::language::expansion::magic::Names;

/// Entries of the chain shown in a message: where it starts and where it is now.
const CHAIN_SHOWN: usize = 4;

/// By which option a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// `ini`: whatever the file is called.
    Ini,
    /// `include`, `inherit` and bare arguments: the ending decides (I2), upper case magic stays unset (M7).
    ByEnding,
}

/// What is remembered from file to file.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The entries that made the files being read now be read, outermost first.
    pub(crate) because: Vec<Origin>,
    /// `%n` and so on: of the file most recently named (M8, S7).
    pub(crate) current: Names,
    /// `%N` and so on (M7).
    pub(crate) first: Option<Names>,
    /// How many files being read were named by ending.
    pub(crate) by_ending: usize,
    /// What `ini = :section` reads again (S7).
    pub(crate) last: Option<Vec<u8>>,
    /// `inject-before` and `inject-after` (I6).
    pub(crate) before: Vec<Vec<u8>>,
    pub(crate) after: Vec<Vec<u8>>,
    pub(crate) files: usize,
    pub(crate) bytes: usize,
}

impl Reading {
    /// How many files are being read.
    pub(crate) fn depth(&self) -> usize {
        self.because.len()
    }

    /// The lines because of which the file being read is read, innermost first, for messages.
    pub(crate) fn chain(&self) -> Option<String> {
        let lines: Vec<String> = self
            .because
            .iter()
            .rev()
            .filter(|origin| is_line(origin))
            .map(Origin::to_string)
            .collect();
        match lines.len() {
            0 => None,
            count if count <= CHAIN_SHOWN => Some(lines.join(", ")),
            _ => Some(format!(
                "{}, ...",
                lines.get(..CHAIN_SHOWN).unwrap_or_default().join(", ")
            )),
        }
    }
}

fn is_line(origin: &Origin) -> bool {
    matches!(origin, Origin::File { .. })
}
