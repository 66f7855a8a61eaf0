//! The action of a step, as data. `parse` makes it from a hook's line.

use crate::hooks::mountflags::{MountFlags, UmountFlags};
use crate::hooks::namespaces::Namespaces;
use std::time::Duration;

/// What the failure of a command means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The start fails.
    Fatal,
    /// The failure is only logged (`safeexec`).
    Logged,
}

/// How a file is opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// The file is emptied first.
    Truncate,
    /// The text is appended.
    Append,
    /// A FIFO. It is not waited for, and a missing reader is no failure.
    Fifo,
    /// A FIFO. It is waited for, up to a limit, until it exists and has a reader.
    AwaitedFifo,
}

/// What an action waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A path of any type: uWSGI's actions for files and directories check no more than that (measured).
    Path,
    /// A directory on which something is mounted.
    Mountpoint,
    /// A network interface, whether it is up or down.
    Interface,
    /// A socket that accepts a connection.
    Socket,
}

/// One step of a plan. Paths and texts are the bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs `/bin/sh -c COMMAND` and waits for it (EXE-1).
    Exec {
        /// The shell text.
        command: Vec<u8>,
        /// What its failure means.
        failure: OnFailure,
    },
    /// chdir(2); the app starts in this directory.
    ChangeDirectory(Vec<u8>),
    /// mkdir(2) with mode 0777 less the umask; a directory that exists is a failure.
    MakeDirectory(Vec<u8>),
    /// Sets an environment variable for later commands and the payload.
    SetEnvironment(Vec<u8>, Vec<u8>),
    /// Removes an environment variable.
    UnsetEnvironment(Vec<u8>),
    /// Sets an environment variable for each file of a directory, to the file's content.
    ReadEnvdir(Vec<u8>),
    /// umask(2).
    SetUmask(u32),
    /// chmod(2).
    SetMode(Vec<u8>, u32),
    /// Adds the sticky bit.
    SetSticky(Vec<u8>),
    /// chown(2), user and group by name.
    SetOwner(Vec<u8>, Vec<u8>, Vec<u8>),
    /// chown(2), user and group by number.
    SetOwnerIds(Vec<u8>, u32, u32),
    /// Writes a text into a file, which is created.
    Write(Vec<u8>, Vec<u8>, WriteMode),
    /// unlink(2).
    Unlink(Vec<u8>),
    /// mount(2).
    Mount {
        /// The filesystem type, or a dummy.
        fstype: Vec<u8>,
        /// The source, or a dummy.
        source: Vec<u8>,
        /// The mountpoint.
        target: Vec<u8>,
        /// The flags.
        flags: MountFlags,
        /// The filesystem's own options.
        data: Option<Vec<u8>>,
    },
    /// umount2(2).
    Umount(Vec<u8>, UmountFlags),
    /// sethostname(2), for a vassal with a UTS namespace of its own.
    SetHostname(Vec<u8>),
    /// Writes a line into the log.
    Print(Vec<u8>),
    /// Ends the start with this exit code.
    Exit(u8),
    /// Waits until something exists, up to this limit or that of hooks.
    WaitFor(Awaited, Vec<u8>, Option<Duration>),
    /// Waits for this time.
    Sleep(Duration),
    /// unshare(2): later steps run in the new namespaces.
    Unshare(Namespaces),
    /// Opens the file for the app's output.
    OpenLog(Vec<u8>),
    /// Opens the file for the number of the app's process.
    OpenPidfile(Vec<u8>),
    /// chroot(2), then chdir to its root.
    Chroot(Vec<u8>),
    /// pivot_root(2): the new root, and the path for the old one.
    PivotRoot(Vec<u8>, Vec<u8>),
    /// Later steps run as the vassal's user.
    BecomeUser,
}
