//! What one step does, as data. How hooks are read is in `parse`.

use crate::hooks::mountflags::{MountFlags, UmountFlags};
use crate::hooks::namespaces::Namespaces;
use std::time::Duration;

/// What happens when a command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// The start fails.
    Fatal,
    /// It is logged (`safeexec`).
    Logged,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Emptied first.
    Truncate,
    /// Continued at its end.
    Append,
    /// A FIFO: not waited for, and no reader is no failure.
    Fifo,
    /// A FIFO that is waited for, up to a limit: until it is there and has a reader.
    AwaitedFifo,
}

/// What has to be there before the start goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A path, whatever is there: uWSGI's words for files and directories ask for no more (measured).
    Path,
    /// A directory on which something is mounted.
    Mountpoint,
    /// A network interface, whether it is up or down.
    Interface,
    /// A socket that accepts a connection.
    Socket,
}

/// One step of a plan. Paths and texts are bytes as the file had them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs `/bin/sh -c COMMAND` and waits for it (EXE-1).
    Exec {
        /// The shell text.
        command: Vec<u8>,
        /// What its failure means.
        failure: OnFailure,
    },
    /// chdir(2); the payload starts in this directory.
    ChangeDirectory(Vec<u8>),
    /// mkdir(2) with mode 0777 less the umask; a directory that exists is a failure.
    MakeDirectory(Vec<u8>),
    /// Sets an environment variable for later commands and the payload.
    SetEnvironment(Vec<u8>, Vec<u8>),
    /// Removes one.
    UnsetEnvironment(Vec<u8>),
    /// Sets one for each file of a directory, to the file's content.
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
    /// A line in the log.
    Print(Vec<u8>),
    /// Ends the start with this code.
    Exit(u8),
    /// Waits, up to the limit given or that of hooks, for something to appear.
    WaitFor(Awaited, Vec<u8>, Option<Duration>),
    /// Waits this long.
    Sleep(Duration),
    /// unshare(2): new namespaces from here on.
    Unshare(Namespaces),
    /// Opens the file that gets the app's output.
    OpenLog(Vec<u8>),
    /// Opens the file that gets the number of the app's process.
    OpenPidfile(Vec<u8>),
    /// chroot(2), then chdir to its root.
    Chroot(Vec<u8>),
    /// pivot_root(2): the new root, and where the old one goes.
    PivotRoot(Vec<u8>, Vec<u8>),
    /// From here on as the vassal's user.
    BecomeUser,
}
