//! The state that is kept from file to file while a configuration is read (S7, I6, M7, M8).

use crate::diagnostic::Origin;
use crate::language::expansion::magic::Names;

/// How many entries of the chain of files a message shows: the first ones and the last ones.
const CHAIN_SHOWN: usize = 4;

/// The option by which a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// `ini`: the file may have any name.
    Ini,
    /// `include`, `inherit` and arguments without an option: the ending tells the format (I2), and upper case magic
    /// variables remain unset (M7).
    ByEnding,
}

/// The state that is kept from file to file.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// The entries by which the present files are being read, the outermost first.
    pub(crate) because: Vec<Origin>,
    /// `%n` and so on, of the file that was named last (M8, S7).
    pub(crate) current: Names,
    /// `%N` and so on (M7).
    pub(crate) first: Option<Names>,
    /// How many of the present files are read by their ending.
    pub(crate) by_ending: usize,
    /// The file that `ini = :section` reads again (S7).
    pub(crate) last: Option<Vec<u8>>,
    /// `inject-before` and `inject-after` (I6).
    pub(crate) before: Vec<Vec<u8>>,
    pub(crate) after: Vec<Vec<u8>>,
    pub(crate) files: usize,
    pub(crate) bytes: usize,
}

impl Reading {
    /// How many files are being read at present.
    pub(crate) fn depth(&self) -> usize {
        self.because.len()
    }

    /// The lines by which the present file is being read, the innermost first, for messages.
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
