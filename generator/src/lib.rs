//! The generator's work: vassals' files in, drop-ins and wants-links out.
//!
//! It runs in PID 1's way at boot and at every daemon-reload, so it asks nobody (no D-Bus, no name service, no
//! network), executes nothing, and waits for nothing. It may import vassal-config and tempfile. What it cannot know at
//! that time it leaves to vassal-enter, which reads the same files again at the start (ARCHITECTURE D2); a vassal whose
//! drop-in is missing still starts right (D1). Start reading at [`generate`].
#![forbid(unsafe_code)]

pub mod output;
pub mod read;
pub mod unit;

use read::{Candidate, candidates, content, emperor};
use std::path::Path;
use unit::DropIn;
use vassal_config::directives::directives;

/// Generates the units of every vassal below `root` into `out`; what went wrong is returned, line by line, and has
/// spoiled nothing else.
pub fn generate(root: &Path, out: &Path) -> Vec<String> {
    let (emperor, mut problems) = match emperor(root) {
        Ok(Some(found)) => found,
        Ok(None) => return Vec::new(),
        Err(problem) => return vec![problem],
    };
    let (found, unfit) = candidates(root, &emperor);
    problems.extend(unfit);
    for candidate in found {
        let stop_hook = emperor.stop_hook.as_ref().map(|(program, _)| program.as_slice());
        if let Err(problem) = write(&candidate, stop_hook, out, &mut problems) {
            problems.push(format!("{}: {problem}", candidate.name.unit()));
        }
    }
    problems
}

fn write(
    candidate: &Candidate,
    stop_hook: Option<&[u8]>,
    out: &Path,
    problems: &mut Vec<String>,
) -> std::io::Result<()> {
    let (directives, wrong) = match content(&candidate.path) {
        Ok(text) => {
            let (taken, errors) = directives(&text, &candidate.name.file());
            (
                taken,
                errors.iter().map(|error| error.public().to_string()).collect(),
            )
        }
        Err(problem) => (Vec::new(), vec![problem]),
    };
    problems.extend(wrong.iter().cloned());
    let unit = candidate.name.unit();
    let drop_in = DropIn {
        name: &candidate.name,
        file: &candidate.file,
        stop_hook,
        directives,
        problems: wrong,
    };
    output::write_drop_in(out, &unit, &drop_in.render())?;
    output::write_wants(out, &unit)
}
