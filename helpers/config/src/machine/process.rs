//! Facts about this process, from /proc.

use std::fs;

/// The real user id; 0 without /proc.
pub fn uid() -> u32 {
    own_id("Uid:").unwrap_or_default()
}

/// The real group id; 0 without /proc.
pub fn gid() -> u32 {
    own_id("Gid:").unwrap_or_default()
}

/// As [`uid`] or [`gid`], but `None` without /proc.
pub(crate) fn own_id(field: &str) -> Option<u32> {
    real_id(&fs::read("/proc/self/status").ok()?, field)
}

/// The real id in the line `field` of `/proc/self/status`.
fn real_id(status: &[u8], field: &str) -> Option<u32> {
    let mut lines = status.split(|&byte| byte == b'\n');
    let ids = lines.find_map(|line| line.strip_prefix(field.as_bytes()))?;
    let id = ids.trim_ascii().split(|byte| byte.is_ascii_whitespace()).next()?;
    std::str::from_utf8(id).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_real_id_is_the_first_of_four() {
        let status = b"Name:\tx\nUid:\t7\t8\t9\t10\nGid:\t1\t2\t3\t4\n";
        assert_eq!(real_id(status, "Uid:"), Some(7));
        assert_eq!(real_id(status, "Gid:"), Some(1));
        assert_eq!(real_id(b"", "Uid:"), None);
    }
}
