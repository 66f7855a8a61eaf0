//! Decides whether a start opens the vassal's log, or uWSGI.

use crate::language::evaluation::entry::{Entry, has};
use crate::options::id::Id;

/// The options for the log.
pub(crate) const LOGS: [Id; 2] = [Id::Logto, Id::Daemonize];

/// Whether a start opens the log. It does not if the value is an address or a device, or if other options make uWSGI
/// open, move or empty the file later, for which uWSGI needs a path that it can open itself.
pub(crate) fn opens_log(entry: &Entry, others: &[Entry]) -> bool {
    const AGAIN: [Id; 8] = [
        Id::LogReopen,
        Id::LogTruncate,
        Id::LogMaxsize,
        Id::LogBackupname,
        Id::TouchLogreopen,
        Id::TouchLogrotate,
        Id::LogfileChmod,
        Id::LogfileChown,
    ];
    is_log_file(entry.value.as_deref().unwrap_or_default()) && !has(others, &AGAIN)
}

/// Whether the value of such an option is a file, and not an address or a device.
pub(crate) fn is_log_file(text: &[u8]) -> bool {
    let is_device = text.starts_with(b"/dev/") || text.starts_with(b"/proc/");
    !text.contains(&b':') && !is_device
}

/// Whether the entry sets the log.
pub(crate) fn is_log(entry: &Entry) -> bool {
    entry.is_one_of(&LOGS)
}
