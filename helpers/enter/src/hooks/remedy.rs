//! Recognises the usual faults of FUSE filesystems in a command's last words, and knows their remedies.

use std::fs::metadata;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

const FUSE: &str = "/dev/fuse";

/// Texts that name a fault, with its remedy.
const FAULTS: [(&str, &str); 4] = [
    (
        "user has no write access to mountpoint",
        "the mountpoint must belong to the vassal's user: chown it",
    ),
    (
        "failed to access mountpoint",
        "the mountpoint must exist and belong to the vassal's user: mkdir and chown it",
    ),
    (
        "bad mount point",
        "the mountpoint must exist and belong to the vassal's user: mkdir and chown it",
    ),
    (
        "user_allow_other",
        "add 'user_allow_other' to /etc/fuse.conf, or leave -o allow_other out",
    ),
];

/// Whether a line names one of these faults.
pub fn is_known_fault(line: &str) -> bool {
    remedy_of(&line.to_ascii_lowercase()).is_some()
}

fn remedy_of(words: &str) -> Option<&'static str> {
    let found = FAULTS.iter().find(|(said, _)| words.contains(said));
    found.map(|(_, remedy)| *remedy)
}

/// The remedy for a failed command whose last words are about FUSE, if a fault is found on this machine.
pub fn remedy(last_words: &str) -> Option<String> {
    let words = last_words.to_ascii_lowercase();
    if let Some(remedy) = remedy_of(&words) {
        return Some(remedy.to_owned());
    }
    if !words.contains("fuse") {
        return None;
    }
    match metadata(FUSE) {
        Err(_) => Some(format!(
            "there is no {FUSE}: load the module with 'modprobe fuse'"
        )),
        Ok(status) if !status.file_type().is_char_device() => Some(format!("{FUSE} is no device")),
        Ok(status) if status.permissions().mode() & 0o006 != 0o006 => {
            let mode = status.permissions().mode() & 0o7777;
            Some(format!(
                "{FUSE} has mode {mode:04o}, so users cannot open it: chmod 0666 {FUSE}, as udev does"
            ))
        }
        Ok(_) => None,
    }
}
