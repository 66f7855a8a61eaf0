//! The questions that the evaluation of a configuration may ask about the machine.
//!
//! Paths, names and values are bytes: a configuration has no character set (L11). Relative paths are relative to
//! [`World::current_dir`] (I3), which does not change while a configuration is evaluated.

use std::fmt;
use std::time::Duration;

/// Why something could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// It is a directory. As a configuration file it counts as empty (I4).
    Directory,
    /// It is a FIFO, a device or a socket. Reading these could block for ever or change them.
    NotAFile,
    /// It exceeds the limit.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// It did not end in time.
    TooSlow {
        /// The limit.
        limit: Duration,
    },
    /// This program does not read from such a source.
    Refused {
        /// The reason, for a message.
        why: &'static str,
    },
    /// The system has reported an error.
    Failed {
        /// The number of the error, as in errno(3).
        errno: i32,
    },
}

impl ReadError {
    /// The error of the system; for one that did not come from a system call, the most similar one.
    pub fn from_io(error: &std::io::Error) -> Self {
        const EIO: i32 = 5;
        ReadError::Failed {
            errno: error.raw_os_error().unwrap_or(EIO),
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Directory => out.write_str("it is a directory"),
            ReadError::NotAFile => out.write_str("it is not a regular file"),
            ReadError::TooLarge { limit } => write!(out, "it is larger than {limit} bytes"),
            ReadError::TooSlow { limit } => write!(out, "it did not end within {} s", limit.as_secs()),
            ReadError::Refused { why } => out.write_str(why),
            ReadError::Failed { errno } => {
                let text = std::io::Error::from_raw_os_error(*errno).to_string();
                out.write_str(text.split(" (os error").next().unwrap_or(&text))
            }
        }
    }
}

impl std::error::Error for ReadError {}

/// A file that was read as a configuration, or a directory on the way to it, that can be changed by others than root
/// and this process's own user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its path.
    pub path: Vec<u8>,
    /// Its owner.
    pub uid: u32,
    /// Its group, if the group may write.
    pub group: Option<u32>,
    /// Whether everybody may write.
    pub everybody: bool,
}

/// The machine as a configuration sees it.
pub trait World {
    /// The content of a regular file of at most `limit` bytes. Never blocks.
    ///
    /// # Errors
    /// [`ReadError::Directory`], [`ReadError::NotAFile`], [`ReadError::TooLarge`] or what the system said.
    fn read_file(&self, path: &[u8], limit: usize) -> Result<Vec<u8>, ReadError>;

    /// The names in a directory, without `.` and `..`, in arbitrary order.
    ///
    /// # Errors
    /// Any error of the system.
    fn list_dir(&self, path: &[u8]) -> Result<Vec<Vec<u8>>, ReadError>;

    /// Those files read by [`World::read_file`] so far that others than root could have written.
    fn open_files(&self) -> Vec<Open> {
        Vec::new()
    }

    /// The groups of a user: its primary group, and those that have it as a member.
    fn groups_of(&self, _uid: u32) -> Vec<u32> {
        Vec::new()
    }

    /// Whether the file can be read by this process, links followed: access(2) with `R_OK` (C7).
    fn is_readable(&self, path: &[u8]) -> bool;

    /// Whether it is a regular file, links followed.
    fn is_file(&self, path: &[u8]) -> bool;

    /// Whether it is a directory, links followed.
    fn is_dir(&self, path: &[u8]) -> bool;

    /// Whether the name itself is a symbolic link (M6).
    fn is_symlink(&self, path: &[u8]) -> bool;

    /// The inode of the name itself, links not followed (M2 `%i`); nothing when there is no such name.
    fn inode(&self, path: &[u8]) -> Option<u64>;

    /// The path without links, `.` and `..`: realpath(3).
    ///
    /// # Errors
    /// What the system said, for instance that the file does not exist.
    fn realpath(&self, path: &[u8]) -> Result<Vec<u8>, ReadError>;

    /// The environment at start, in its order (A2).
    fn environment(&self) -> &[(Vec<u8>, Vec<u8>)];

    /// The working directory at start.
    fn current_dir(&self) -> &[u8];

    /// The host name, as uname(2) gives it.
    fn hostname(&self) -> Vec<u8>;

    /// The real user id.
    fn uid(&self) -> u32;

    /// The real group id.
    fn gid(&self) -> u32;

    /// The name of a user id, if there is one.
    fn user_name(&self, uid: u32) -> Option<Vec<u8>>;

    /// The name of a group id, if there is one.
    fn group_name(&self, gid: u32) -> Option<Vec<u8>>;

    /// The number of a user name.
    fn user_id(&self, name: &[u8]) -> Option<u32>;

    /// The number of a group name.
    fn group_id(&self, name: &[u8]) -> Option<u32>;

    /// The number of processors online.
    fn cpus(&self) -> usize;

    /// When the process started, since 1970 (M2 `%t`, `%T`).
    fn start_time(&self) -> Duration;

    /// The version of uWSGI (M2 `%V`).
    fn version(&self) -> &[u8];

    /// The path of the uWSGI binary (M2 `%b`).
    fn binary(&self) -> &[u8];

    /// The directory that is searched for plugins last: the one compiled into uWSGI, without a final `/`.
    fn plugin_dir(&self) -> &[u8];

    /// The standard output of `/bin/sh -c command`, whatever its exit status (S8 `exec://`).
    ///
    /// # Errors
    /// The shell could not be started, or wrote more or took longer than allowed.
    fn run(&self, command: &[u8], limit: usize) -> Result<Vec<u8>, ReadError>;

    /// Reads a descriptor of this process up to its end; 0 is the standard input (S8 `fd://`, `-`).
    ///
    /// # Errors
    /// There is no such descriptor, or it gave more or took longer than allowed.
    fn read_fd(&self, fd: u32, limit: usize) -> Result<Vec<u8>, ReadError>;

    /// The body of a `http://` address, given without the scheme (S8).
    ///
    /// # Errors
    /// The server could not be reached, or this world does not ask servers.
    fn fetch(&self, address: &[u8], limit: usize) -> Result<Vec<u8>, ReadError>;

    /// The IPv4 address of a host, as text (option `resolve`).
    ///
    /// # Errors
    /// There is no such host, or this world does not ask.
    fn resolve(&self, host: &[u8]) -> Result<Vec<u8>, ReadError>;
}
