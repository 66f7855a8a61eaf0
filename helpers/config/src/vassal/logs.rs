//! The log of a vassal: whether a start opens it, or uWSGI.

use crate::language::evaluation::entry::{Entry, has};
use crate::options::id::Id;

/// Options that name the log.
pub(crate) const LOGS: [Id; 2] = [Id::Logto, Id::Daemonize];

/// Whether the log is opened here: not when its value is an address or a device, nor when other options make uWSGI
/// open, move or empty the file again, which takes a path it can open itself.
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

/// Whether the value of such an option is a file, and no address or device.
pub(crate) fn is_log_file(text: &[u8]) -> bool {
    let is_device = text.starts_with(b"/dev/") || text.starts_with(b"/proc/");
    !text.contains(&b':') && !is_device
}

/// Whether it names the log.
pub(crate) fn is_log(entry: &Entry) -> bool {
    entry.is_one_of(&LOGS)
}
