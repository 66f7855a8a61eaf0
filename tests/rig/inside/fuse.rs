//! FUSE connections: which of the kernel's are a machine's.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::unistd::Pid;

use crate::container::machine::Machine;
use crate::failure::Failure;

impl Machine {
    /// The connections (N of /sys/fs/fuse/connections/N) of the FUSE file systems that some process of the machine has mounted.
    /// The directory itself is one for the whole kernel and shows those of everybody.
    pub fn fuse_connections(&self) -> BTreeSet<u32> {
        mounted_by(self.cgroup.processes())
    }
}

/// The connections that some process has mounted, whichever it is.
pub(crate) fn mounted_by_anyone() -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeSet::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    mounted_by(pids.map(Pid::from_raw))
}

/// The connections the kernel has.
pub(crate) fn existing(connections: &OwnedFd) -> BTreeSet<u32> {
    let Ok(entries) = fs::read_dir(format!("/proc/self/fd/{}", connections.as_raw_fd())) else {
        return BTreeSet::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Ends a connection as its daemon's death would: who waits for an answer gets an error.
///
/// # Errors
///
/// When it cannot be written to; not when the connection is gone.
pub(crate) fn abort(connections: &OwnedFd, connection: u32) -> Result<(), Failure> {
    let file = format!("/proc/self/fd/{}/{connection}/abort", connections.as_raw_fd());
    match fs::write(&file, "1") {
        Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => {
            Err(Failure::file("write", file)(reason))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn mounted_by(pids: impl IntoIterator<Item = Pid>) -> BTreeSet<u32> {
    let mut namespaces = BTreeSet::new();
    let mut found = BTreeSet::new();
    for pid in pids {
        let Ok(namespace) = fs::read_link(format!("/proc/{pid}/ns/mnt")) else {
            continue;
        };
        if namespaces.insert(namespace) {
            let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            found.extend(mounts.lines().filter_map(connection));
        }
    }
    found
}

/// The connection behind a line of mountinfo: the minor number of its device, field 3 (proc(5)).
fn connection(line: &str) -> Option<u32> {
    let (mount, file_system) = line.split_once(" - ")?;
    let kind = file_system.split(' ').next()?;
    let is_fuse = kind == "fuse" || kind == "fuseblk" || kind.starts_with("fuse.");
    let device = mount.split(' ').nth(2).filter(|_| is_fuse)?;
    device.split_once(':')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::connection;

    #[test]
    fn only_fuse_mounts_have_a_connection() {
        const CASES: &[(&str, Option<u32>)] = &[
            (
                "36 35 0:57 / /app ro,nosuid - fuse.fuse-zip fuse-zip rw,user_id=20001",
                Some(57),
            ),
            ("36 35 0:57 / /app ro shared:9 - fuse /dev/fuse rw", Some(57)),
            (
                "36 35 0:31 / /sys/fs/fuse/connections rw - fusectl fusectl rw",
                None,
            ),
            ("36 35 8:1 / / rw - ext4 /dev/sda1 rw", None),
            ("", None),
        ];
        for (line, expected) in CASES {
            assert_eq!(connection(line), *expected, "{line}");
        }
    }
}
