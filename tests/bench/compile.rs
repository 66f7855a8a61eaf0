//! The C programs of the benchmark: the floors, and what is the same for all who are measured beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vassal_tests::Failure;

/// Compilers of small static programs, the one that makes the smallest first.
const COMPILERS: [&str; 2] = ["musl-gcc", "cc"];

/// Where the benchmark leaves what it makes.
pub fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target/bench")
}

/// Compiles floor/NAME.c to a static program.
///
/// # Errors
///
/// When no compiler can, with what the last one said.
pub fn compile(name: &str) -> Result<PathBuf, Failure> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("bench/floor/{name}.c"));
    let place = place();
    fs::create_dir_all(&place).map_err(|reason| Failure::File {
        doing: "create",
        path: place.clone(),
        reason,
    })?;
    let program = place.join(name);
    let mut said = String::new();
    for compiler in COMPILERS {
        let mut command = Command::new(compiler);
        command.args(["-static", "-O2", "-Wall", "-Wextra", "-o"]);
        match command.arg(&program).arg(&source).output() {
            Ok(output) if output.status.success() => return Ok(program),
            Ok(output) => said = String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => said = format!("{compiler}: {error}"),
        }
    }
    Err(Failure::Build {
        what: source.display().to_string(),
        output: said,
    })
}
