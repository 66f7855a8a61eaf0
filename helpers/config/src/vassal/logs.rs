//! The log of a vassal: whether a start opens it, or uWSGI.

use crate::language::evaluation::entry::Entry;

/// Whether the log is opened here: not when its value is an address or a device, nor when other options make uWSGI
/// open, move or empty the file again, which takes a path it can open itself.
pub(crate) fn opens_log(entry: &Entry, others: &[Entry]) -> bool {
    const AGAIN: [&[u8]; 8] = [
        b"log-reopen",
        b"log-truncate",
        b"log-maxsize",
        b"log-backupname",
        b"touch-logreopen",
        b"touch-logrotate",
        b"logfile-chmod",
        b"logfile-chown",
    ];
    let is_opened_again = others.iter().any(|other| AGAIN.contains(&other.key.as_slice()));
    is_log_file(entry.value.as_deref().unwrap_or_default()) && !is_opened_again
}

/// Whether the value of such an option is a file, and no address or device.
pub(crate) fn is_log_file(text: &[u8]) -> bool {
    let is_device = text.starts_with(b"/dev/") || text.starts_with(b"/proc/");
    !text.contains(&b':') && !is_device
}

/// Whether it names the log.
pub(crate) fn is_log(entry: &Entry) -> bool {
    matches!(entry.key.as_slice(), b"logto" | b"daemonize")
}
