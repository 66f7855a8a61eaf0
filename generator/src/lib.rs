//! The generator: reads vassals' files, writes drop-ins and wants-links.
//!
//! systemd waits for it at boot and at every daemon-reload. So it asks no other process (no D-Bus, no name service, no
//! network), executes nothing, and waits for each filesystem no longer than a named limit: child processes that can be
//! abandoned read the files ([`apart`]), and a vassal whose file cannot be read keeps its last drop-in ([`kept`]). What
//! is unknown at that time is left to vassal-enter, which reads the same files again at the start (ARCHITECTURE D2); a
//! vassal without a drop-in still starts right (D1). Start reading at [`generate`].
//!
//! May import vassal-config and vassal-escape; of vassal-state the paths of records; of vassal-sys fork.
//!
//! Rooms, each of which uses only those before it: pack, drop_in, output, read, answer, apart, emperor_file, kept, writer, generation,
//! program.
#![forbid(unsafe_code)]

pub mod drop_in;

pub mod answer;
pub mod apart;
pub mod emperor_file;
mod generation;
pub mod kept;
pub mod output;
pub mod pack;
mod program;
pub mod read;
mod writer;

use generation::{Generation, Item};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use writer::Writer;

/// The name by which vassalctl runs as this program.
pub const NAME: &str = "vassal-generator";

/// Runs the program; `arguments` are those after its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    program::run(arguments, generate)
}

/// Generates the units of every vassal below `root` into `out`. Returns the problems, one line each; a problem with one
/// vassal does not affect the others.
pub fn generate(root: &Path, out: &Path) -> Vec<String> {
    let mut generation = Generation::new(root, Writer::new(root, out));
    // If not even one child can be forked, it is as if no file had answered: all units are kept as they are.
    let asked = apart::work_off(&mut generation, vec![Item::Emperor]);
    let (mut writer, has_emperor) = generation.finish();
    let problem = asked
        .err()
        .map(|error| format!("cannot read the vassals' files: {error}"));
    writer.problems.extend(problem);
    match has_emperor {
        true => writer.finish(),
        false => writer.forget(),
    }
}
