//! Mounts by descriptor (the "new mount API", Linux 5.2 and 5.12): source and target of a mount are resolved once and
//! not looked up again.

use nix::errno::Errno;
use nix::mount::MsFlags;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Which part of a mount tree is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// The mount alone.
    This,
    /// The mount and all mounts below it.
    All,
}

/// The flags that belong to a mount, as mount(2) and as mount_setattr(2) number them.
const ATTRIBUTES: [(MsFlags, u64); 6] = [
    (MsFlags::MS_RDONLY, libc::MOUNT_ATTR_RDONLY),
    (MsFlags::MS_NOSUID, libc::MOUNT_ATTR_NOSUID),
    (MsFlags::MS_NODEV, libc::MOUNT_ATTR_NODEV),
    (MsFlags::MS_NOEXEC, libc::MOUNT_ATTR_NOEXEC),
    (MsFlags::MS_NOATIME, libc::MOUNT_ATTR_NOATIME),
    (MsFlags::MS_NODIRATIME, libc::MOUNT_ATTR_NODIRATIME),
];

/// The flags that belong to a filesystem, with their names for fsconfig(2).
const WORDS: [(MsFlags, &std::ffi::CStr); 4] = [
    (MsFlags::MS_RDONLY, c"ro"),
    (MsFlags::MS_SYNCHRONOUS, c"sync"),
    (MsFlags::MS_DIRSYNC, c"dirsync"),
    (MsFlags::MS_MANDLOCK, c"mand"),
];

fn attributes(flags: MsFlags) -> u64 {
    let given = ATTRIBUTES.into_iter().filter(|(flag, _)| flags.contains(*flag));
    given.fold(0, |all, (_, attribute)| all | attribute)
}

/// Makes a new filesystem that is not mounted anywhere: only this descriptor leads to it (fsopen(2), fsmount(2)).
/// `options` are those of mount(2), separated by commas; a comma after a backslash does not separate.
///
/// # Errors
/// Any error of the kernel; `ENODEV` for an unknown type.
pub fn filesystem(
    fstype: &[u8],
    source: &[u8],
    flags: MsFlags,
    options: Option<&[u8]>,
) -> nix::Result<OwnedFd> {
    let name = c_string(fstype)?;
    // SAFETY: fsopen takes a C string, which `name` keeps alive, and a flag; it returns a fresh descriptor.
    let context = unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), libc::FSOPEN_CLOEXEC) };
    let context = owned(context)?;
    configure(
        &context,
        libc::FSCONFIG_SET_STRING,
        Some(c"source"),
        Some(&c_string(source)?),
    )?;
    for (_, word) in WORDS.into_iter().filter(|(flag, _)| flags.contains(*flag)) {
        configure(&context, libc::FSCONFIG_SET_FLAG, Some(word), None)?;
    }
    for option in split(options.unwrap_or_default()) {
        let mut sides = option.splitn(2, |byte| *byte == b'=');
        let key = c_string(sides.next().unwrap_or_default())?;
        match sides.next() {
            Some(value) => {
                configure(
                    &context,
                    libc::FSCONFIG_SET_STRING,
                    Some(&key),
                    Some(&c_string(value)?),
                )?;
            }
            None => configure(&context, libc::FSCONFIG_SET_FLAG, Some(&key), None)?,
        }
    }
    configure(&context, libc::FSCONFIG_CMD_CREATE, None, None)?;
    // SAFETY: fsmount takes the context, which is open, and two integers; it returns a fresh descriptor.
    let mounted = unsafe {
        libc::syscall(
            libc::SYS_fsmount,
            context.as_raw_fd(),
            libc::FSMOUNT_CLOEXEC,
            attributes(flags),
        )
    };
    owned(mounted)
}

fn configure(
    context: &OwnedFd,
    command: libc::c_uint,
    key: Option<&std::ffi::CStr>,
    value: Option<&std::ffi::CStr>,
) -> nix::Result<()> {
    let pointer = |text: Option<&std::ffi::CStr>| text.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: key and value are C strings that outlive the call, or null where the command takes none.
    let done = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            command,
            pointer(key),
            pointer(value),
            0,
        )
    };
    Errno::result(done).map(drop)
}

/// Makes a copy of the mount of `object`, with `object` as its root, that is not mounted anywhere (open_tree(2)).
///
/// # Errors
/// Any error of the kernel; `EINVAL` for a mount of another mount namespace.
pub fn copy(object: &OwnedFd, depth: Depth) -> nix::Result<OwnedFd> {
    let mut flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | libc::AT_EMPTY_PATH as libc::c_uint;
    if depth == Depth::All {
        flags |= libc::AT_RECURSIVE as libc::c_uint;
    }
    // SAFETY: open_tree takes an open descriptor, a C string and a number; it returns a fresh descriptor.
    owned(unsafe { libc::syscall(libc::SYS_open_tree, object.as_raw_fd(), c"".as_ptr(), flags) })
}

/// Sets the attributes `set` of `mount` and clears `cleared`; others are kept (mount_setattr(2)).
///
/// # Errors
/// Any error of the kernel.
pub fn change(mount: impl AsFd, set: MsFlags, cleared: MsFlags) -> nix::Result<()> {
    let mut attributes = libc::mount_attr {
        attr_set: attributes(set),
        attr_clr: attributes(cleared),
        propagation: 0,
        userns_fd: 0,
    };
    if set.intersects(MsFlags::MS_NOATIME | MsFlags::MS_RELATIME) {
        attributes.attr_clr |= libc::MOUNT_ATTR__ATIME;
    }
    // SAFETY: the structure lives through the call, and its size is given.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(done).map(drop)
}

/// Mounts `mount`, which may be mounted elsewhere, on `target` (move_mount(2)).
///
/// # Errors
/// Any error of the kernel; `EINVAL` also for a directory on a file or a file on a directory.
pub fn put(mount: &OwnedFd, target: &OwnedFd) -> nix::Result<()> {
    // SAFETY: move_mount takes two open descriptors, two C strings and a number.
    let done = unsafe {
        libc::syscall(
            libc::SYS_move_mount,
            mount.as_raw_fd(),
            c"".as_ptr(),
            target.as_raw_fd(),
            c"".as_ptr(),
            libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH,
        )
    };
    Errno::result(done).map(drop)
}

fn owned(result: libc::c_long) -> nix::Result<OwnedFd> {
    let fd = Errno::result(result)?;
    // SAFETY: the callers have just got this descriptor from the kernel, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn c_string(text: &[u8]) -> nix::Result<CString> {
    CString::new(text).map_err(|_| Errno::EINVAL)
}

/// Splits `options` at commas; one after a backslash belongs to the option (overlay's directories).
fn split(options: &[u8]) -> Vec<&[u8]> {
    let mut escaped = false;
    let is_comma = |byte: &u8| {
        let is_end = *byte == b',' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    };
    options
        .split(is_comma)
        .filter(|option| !option.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_end_at_commas_that_are_not_escaped() {
        const CASES: &[(&str, &[&str])] = &[
            ("", &[]),
            ("mode=755,size=1m", &["mode=755", "size=1m"]),
            (",a,,b,", &["a", "b"]),
            (r"lowerdir=/a\,b,upperdir=/c", &[r"lowerdir=/a\,b", "upperdir=/c"]),
            (r"a\\,b", &[r"a\\", "b"]),
        ];
        for (options, expected) in CASES {
            let expected: Vec<&[u8]> = expected.iter().map(|option| option.as_bytes()).collect();
            assert_eq!(split(options.as_bytes()), expected, "{options}");
        }
    }
}
