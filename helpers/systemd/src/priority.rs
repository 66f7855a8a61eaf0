//! The priority of a message.

/// syslog(3) levels as the journal's PRIORITY=.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Output that a hook asked for.
    Info = 6,
    /// The vassal does not run.
    Error = 3,
    /// The vassal runs, but not as its file says.
    Warning = 4,
    /// The vassal's state has changed.
    Notice = 5,
}
