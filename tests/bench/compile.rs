//! The C programs of the benchmark: the floors, and what is the same for all who are measured beside them.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vassal_tests::Failure;

/// The compiler of small static programs (`make bench` installs it). The C library of another one costs a floor more than its work:
/// glibc asks the processor for its properties, some 0.2 ms on a virtual machine.
const COMPILER: &str = "musl-gcc";

/// Where the benchmark leaves what it makes.
pub fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target/bench")
}

/// Compiles all of them: what is missing is told before anything has been measured.
///
/// # Errors
///
/// As [`compile`]; a directory that cannot be read.
pub fn compile_all() -> Result<(), Failure> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/floor");
    let unreadable = |reason| Failure::File {
        doing: "read",
        path: sources.clone(),
        reason,
    };
    for entry in fs::read_dir(&sources).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if let (Some("c"), Some(name)) = (extension(&path), path.file_stem()) {
            compile(&name.to_string_lossy())?;
        }
    }
    Ok(())
}

fn extension(path: &Path) -> Option<&str> {
    path.extension().and_then(std::ffi::OsStr::to_str)
}

/// Compiles floor/NAME.c to a static program.
///
/// # Errors
///
/// When the compiler is missing, or cannot, with what it said.
pub fn compile(name: &str) -> Result<PathBuf, Failure> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("bench/floor/{name}.c"));
    let place = place();
    fs::create_dir_all(&place).map_err(|reason| Failure::File {
        doing: "create",
        path: place.clone(),
        reason,
    })?;
    let program = place.join(name);
    let mut command = Command::new(COMPILER);
    command.args(["-static", "-O2", "-Wall", "-Wextra"]);
    // The kernel's headers, where that compiler does not look by itself, after those of its own C library.
    for directory in ["".to_owned(), format!("{ARCH}-linux-gnu")] {
        command
            .arg("-idirafter")
            .arg(Path::new("/usr/include").join(directory));
    }
    command.arg("-o");
    let said = match command.arg(&program).arg(&source).output() {
        Ok(output) if output.status.success() => return Ok(program),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => format!("{COMPILER}: {error} (it is in musl-tools)"),
    };
    Err(Failure::Build {
        what: source.display().to_string(),
        output: said,
    })
}
