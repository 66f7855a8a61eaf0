//! The names of the system calls that the filter denies to apps. The build script compiles them into the filter.

/// Calls that no app needs, and by which kernels have been attacked from within sandboxes.
pub const DENIED: &[&str] = &[
    "add_key",
    "bpf",
    "delete_module",
    "finit_module",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fspick",
    "init_module",
    "kexec_file_load",
    "kexec_load",
    "keyctl",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "perf_event_open",
    "pivot_root",
    "request_key",
    "setns",
    "umount2",
    "userfaultfd",
];
/// open_tree_attr(2), Linux 6.15: it has the same number on every architecture, and is not yet in the tables of
/// numbers.
pub const OPEN_TREE_ATTR: (&str, u32) = ("open_tree_attr", 467);

/// Denied only if the first argument has CLONE_NEWUSER.
pub const DENIED_WITH_NEWUSER: &[&str] = &["clone", "unshare"];
