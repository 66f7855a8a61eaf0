//! `emperor-wrapper` and its like: the programs that are tried in uWSGI's place, in order (EMP-18).

use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;

/// The programs. A name without a slash is looked for in `$PATH`, as execvp(3) does it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// `emperor-wrapper-override`: tried before.
    pub before: Vec<Vec<u8>>,
    /// `emperor-wrapper`: instead of uWSGI.
    pub instead: Option<Vec<u8>>,
    /// `emperor-wrapper-fallback`: tried when nothing else can be executed.
    pub after: Vec<Vec<u8>>,
}

impl Programs {
    /// Takes in `entry`; whether it is one of these options.
    pub fn add(&mut self, entry: &Entry) -> bool {
        let value = entry.value.clone().unwrap_or_default();
        match entry.id() {
            Some(Id::EmperorWrapper) => self.instead = Some(value),
            Some(Id::EmperorWrapperOverride) => self.before.push(value),
            Some(Id::EmperorWrapperFallback) => self.after.push(value),
            _ => return false,
        }
        true
    }
}
