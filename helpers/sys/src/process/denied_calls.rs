//! The system calls that the filter of the apps denies, by name. The build script compiles them into the filter.

/// What no app needs, and what kernels were broken with from inside a sandbox.
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
/// open_tree_attr(2): the same number on every architecture (Linux 6.15), not yet in the tables of numbers.
pub const OPEN_TREE_ATTR: (&str, u32) = ("open_tree_attr", 467);

/// Denied with CLONE_NEWUSER in their first argument only.
pub const DENIED_WITH_NEWUSER: &[&str] = &["clone", "unshare"];
