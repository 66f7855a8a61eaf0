//! Errors of kernel steps: what failed, and with which object.

use nix::errno::Errno;
use std::fmt;

/// A kernel step that failed: the step in words, the object it was about, and the kernel's reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysError {
    /// The step, worded so that it follows "cannot": `mount 'proc' on '/proc'`.
    pub step: String,
    /// The kernel's reason.
    pub errno: Errno,
    /// What that reason means for this step, where errno's own text is misleading.
    pub meaning: Option<&'static str>,
}

impl SysError {
    /// A failure of `step` with `errno`.
    pub fn new(step: impl Into<String>, errno: Errno) -> Self {
        Self {
            step: step.into(),
            errno,
            meaning: None,
        }
    }

    /// The same failure with a better explanation than errno's text.
    pub fn meaning(mut self, meaning: Option<&'static str>) -> Self {
        self.meaning = meaning;
        self
    }
}

impl fmt::Display for SysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: ", self.step)?;
        match self.meaning {
            Some(meaning) => f.write_str(meaning),
            None => f.write_str(self.errno.desc()),
        }
    }
}

impl std::error::Error for SysError {}

/// Adds the step to a bare errno.
pub trait Context<T> {
    /// Names the step that failed; the closure runs only on failure.
    ///
    /// # Errors
    /// The errno of `self`, wrapped.
    fn context<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, SysError>;
}

impl<T> Context<T> for nix::Result<T> {
    fn context<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, SysError> {
        self.map_err(|errno| SysError::new(step(), errno))
    }
}

impl<T> Context<T> for std::io::Result<T> {
    fn context<S: Into<String>>(self, step: impl FnOnce() -> S) -> Result<T, SysError> {
        self.map_err(|error| {
            SysError::new(step(), Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
        })
    }
}
