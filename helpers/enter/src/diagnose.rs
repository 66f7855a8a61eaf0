//! What a command's last words mean on this machine: the faults that everybody who mounts FUSE filesystems meets.

use std::fs::metadata;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};

const FUSE: &str = "/dev/fuse";

/// The remedy for a failed command, when its last words are about FUSE and something is wrong with it here.
pub fn remedy(last_words: &str) -> Option<String> {
    let words = last_words.to_ascii_lowercase();
    if words.contains("user has no write access to mountpoint") {
        return Some("the mountpoint must belong to the vassal's user: chown it".into());
    }
    if words.contains("failed to access mountpoint") || words.contains("bad mount point") {
        return Some("the mountpoint must exist and belong to the vassal's user: mkdir and chown it".into());
    }
    if words.contains("user_allow_other") {
        return Some("add 'user_allow_other' to /etc/fuse.conf, or leave -o allow_other out".into());
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
