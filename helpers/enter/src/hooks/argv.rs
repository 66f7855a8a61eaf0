//! Arguments and environments as execve(2) takes them.

use crate::environment::Environment;
use crate::failure::{Failure, HookFailure};
use std::ffi::CString;

/// `NAME=VALUE` strings for execve(2).
///
/// # Errors
/// A NUL in one of them.
pub fn c_environment(environment: &Environment) -> Result<Vec<CString>, Failure> {
    environment
        .iter()
        .map(|(name, value)| c_string(&[name, &b"="[..], value].concat()))
        .collect()
}

/// `bytes` as a C string.
///
/// # Errors
/// A NUL in them.
pub fn c_string(bytes: &[u8]) -> Result<CString, Failure> {
    CString::new(bytes).map_err(|_| HookFailure::Nul.into())
}
