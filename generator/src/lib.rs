//! The generator's work: vassals' files in, drop-ins and wants-links out.
//!
//! systemd waits for it at boot and at every daemon-reload, so it asks no other process (no D-Bus, no name service, no
//! network), executes nothing, and waits for no filesystem longer than a named limit: files are read by children that
//! may be lost ([`apart`]), and a vassal whose file cannot be read keeps the drop-in it had ([`kept`]). What it cannot know at
//! that time it leaves to vassal-enter, which reads the same files again at the start (ARCHITECTURE D2); a vassal whose drop-in is
//! missing still starts right (D1). Start reading at [`generate`].
//!
//! It may import vassal-config, vassal-escape, of vassal-state the places of records, and of vassal-sys the fork.
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

/// The name of the program, by which it is started.
pub const NAME: &str = "vassal-generator";

/// The program, with the words behind its name.
pub fn run(arguments: &[OsString]) -> ExitCode {
    program::run(arguments, generate)
}

/// Generates the units of every vassal below `root` into `out`; what went wrong is returned, line by line, and has
/// spoiled nothing else.
pub fn generate(root: &Path, out: &Path) -> Vec<String> {
    let mut generation = Generation::new(root, Writer::new(root, out));
    // Without any child everything is as if nothing had answered: units stay as they are.
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
