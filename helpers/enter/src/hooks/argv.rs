//! Arguments and environments in the form that execve(2) takes.

use crate::environment::Environment;
use crate::failure::{Failure, HookFailure};
use std::ffi::CString;

/// `NAME=VALUE` strings for execve(2).
///
/// # Errors
/// A NUL in a name or value.
pub fn c_environment(environment: &Environment) -> Result<Vec<CString>, Failure> {
    environment
        .iter()
        .map(|(name, value)| c_string(&[name, &b"="[..], value].concat()))
        .collect()
}

/// `bytes` as a C string.
///
/// # Errors
/// A NUL in `bytes`.
pub fn c_string(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| HookFailure::Nul.into())
}
