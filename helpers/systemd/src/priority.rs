//! How grave a message is.

/// syslog(3) levels as the journal's PRIORITY=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// What a hook was asked to say.
    Info = 6,
    /// This vassal does not run.
    Error = 3,
    /// It runs, but not as written.
    Warning = 4,
    /// Its state changed.
    Notice = 5,
}
