//! Failures to start the app: its configuration, its program, its mountpoints.

use nix::errno::Errno;
use std::fmt;
use vassal_config::vassal::root_files::Purpose;
use vassal_escape::printable;
use vassal_state::restart_record::DIRECTORY;
use vassal_sys::SysError;
use vassal_sys::reach::NOT_FOLLOWED;
use vassal_systemd::exit;

/// The root directory in which a program was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The host's.
    Host,
    /// The vassal's own root.
    Own,
}

/// Why the app cannot get a copy of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCopy {
    /// The vassal's own root has no directory for the copies.
    NoDirectory,
    /// The copy needs a mount namespace, which hooks or mountpoint checks rule out.
    NoNamespace,
}

/// Why the app cannot be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppFailure {
    /// `chdir` leads out of the vassal's root directory.
    OutsideRoot {
        /// The directory.
        directory: Vec<u8>,
    },
    /// A program cannot be executed.
    CannotExecute {
        /// The program.
        program: Vec<u8>,
        /// The root directory in which it was looked for.
        root: Root,
        /// Why.
        errno: Errno,
    },
    /// uwsgi was not found under any of its names.
    NoUwsgi {
        /// The root directory in which it was looked for.
        root: Root,
    },
    /// The process was killed before it became the app.
    Killed,
    /// uWSGI has to write something as the app's user, who may not.
    NotWritable {
        /// The file or directory.
        path: Vec<u8>,
        /// The user.
        user: String,
        /// What uWSGI uses it for.
        purpose: Purpose,
    },
    /// A certificate or key exceeds the limit.
    KeyTooLong {
        /// The file.
        path: Vec<u8>,
    },
    /// All certificates and keys together exceed the limit.
    KeysTooLong,
    /// The app cannot get a copy of a key.
    NoCopy {
        /// The file.
        path: Vec<u8>,
        /// Why.
        why: NoCopy,
    },
    /// A reload would need a copy of a key that was not copied at the start.
    NewKey {
        /// The file.
        path: Vec<u8>,
    },
    /// A watched mountpoint cannot be examined.
    MountpointUnseen {
        /// The path.
        path: Vec<u8>,
        /// Why.
        error: SysError,
    },
    /// The path of a watched mountpoint leads through a tenant's link to something that is not the vassal's own mount.
    MountpointBehindLink {
        /// The path.
        path: Vec<u8>,
    },
    /// Nothing is mounted on a watched mountpoint.
    NotAMountpoint {
        /// The path.
        path: Vec<u8>,
    },
}

impl AppFailure {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::CannotExecute { errno, .. } if !is_wrong_program(*errno) => exit::FAILED,
            Self::Killed => exit::FAILED,
            Self::OutsideRoot { .. }
            | Self::CannotExecute { .. }
            | Self::NoUwsgi { .. }
            | Self::NotWritable { .. }
            | Self::KeyTooLong { .. }
            | Self::KeysTooLong
            | Self::NoCopy { .. }
            | Self::NewKey { .. }
            | Self::MountpointUnseen { .. }
            | Self::MountpointBehindLink { .. }
            | Self::NotAMountpoint { .. } => exit::CONFIG,
        }
    }
}

/// Whether the errno means that there is no such program.
pub fn is_wrong_program(errno: Errno) -> bool {
    matches!(errno, Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES)
}

impl fmt::Display for Root {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Host => "",
            Self::Own => " in the vassal's own root",
        })
    }
}

impl fmt::Display for AppFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideRoot { directory } => write!(
                out,
                "cannot change to directory '{}': it is not below the vassal's root directory",
                printable(directory)
            ),
            Self::CannotExecute { program, root, errno } => {
                let (program, why) = (printable(program), errno.desc());
                write!(out, "cannot execute '{program}'{root}: {why}")
            }
            Self::NoUwsgi { root } => write!(
                out,
                "uwsgi is not installed{root} (install uwsgi-core, or name another program with 'command =' in a [vassal] section)"
            ),
            Self::Killed => out.write_str("the process that was to become the app has been killed"),
            Self::NotWritable { path, user, purpose } => {
                let path = printable(path);
                let what = match purpose {
                    Purpose::Log => "opens the log",
                    Purpose::Spooler => "writes into the spooler's directory",
                    Purpose::Lock => "opens the file to lock",
                };
                write!(
                    out,
                    "'{path}' cannot be written by {user}, as whom uWSGI {what} here (chown {user} {path})"
                )
            }
            Self::KeyTooLong { path } => {
                let path = printable(path);
                write!(out, "'{path}' is longer than 1 MiB, which no certificate is")
            }
            Self::KeysTooLong => out.write_str("the certificates and keys are longer than 8 MiB together"),
            Self::NoCopy { path, why } => no_copy(out, path, *why),
            Self::NewKey { path } => write!(
                out,
                "the app's user may not read '{}', and a reload cannot hand it over (systemctl restart, or chgrp it to the app's \
                 group and chmod 640)",
                printable(path)
            ),
            Self::MountpointUnseen { error, .. } => write!(out, "mountpoint-check: {error}"),
            Self::MountpointBehindLink { path } => write!(
                out,
                "mountpoint-check: '{}': {NOT_FOLLOWED}, but to a mount of the vassal's own (name the path that it leads to)",
                printable(path)
            ),
            Self::NotAMountpoint { path } => write!(
                out,
                "mountpoint-check: '{}' is not a mountpoint (no hook has mounted anything there)",
                printable(path)
            ),
        }
    }
}

fn no_copy(out: &mut fmt::Formatter<'_>, path: &[u8], why: NoCopy) -> fmt::Result {
    let path = printable(path);
    let why = match why {
        NoCopy::NoDirectory => {
            format!("its copy has no place in the vassal's own root (mkdir {DIRECTORY} there)")
        }
        NoCopy::NoNamespace => {
            "its copy would need a mount namespace, and there are as-user hooks or a mountpoint-check \
                                (emperor-use-clone = fs)"
                .to_owned()
        }
    };
    write!(
        out,
        "the app's user may not read '{path}', and {why}; or chgrp it to the app's group and chmod 640"
    )
}
