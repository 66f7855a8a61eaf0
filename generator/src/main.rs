//! vassal-generator as a program of its own, for its tests: in a package vassalctl is it, by that name.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    vassal_generator::run(&arguments)
}
