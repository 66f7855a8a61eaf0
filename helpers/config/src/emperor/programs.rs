//! `emperor-wrapper` and similar options: programs that are tried instead of uWSGI, in order (EMP-18).

use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;

/// The programs. A name without a slash is searched in `$PATH`, as by execvp(3).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Programs {
    /// `emperor-wrapper-override`: tried first.
    pub before: Vec<Vec<u8>>,
    /// `emperor-wrapper`: replaces uWSGI.
    pub instead: Option<Vec<u8>>,
    /// `emperor-wrapper-fallback`: tried if nothing else can be executed.
    pub after: Vec<Vec<u8>>,
}

impl Programs {
    /// Takes `entry`, if it is one of these options. Returns whether it is.
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
