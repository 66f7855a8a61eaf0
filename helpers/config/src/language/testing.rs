//! Evaluations of short texts, for the tests of this crate.

use crate::diagnostic::Diagnostic;
use crate::language::evaluation::evaluate::{Evaluation, evaluate};
use crate::machine::fake::FakeWorld;

/// Evaluates arguments that are separated by blanks.
pub(crate) fn evaluated(world: &FakeWorld, args: &str) -> Result<Evaluation, Diagnostic> {
    let args: Vec<Vec<u8>> = args.split(' ').map(|arg| arg.as_bytes().to_vec()).collect();
    evaluate(&args, world)
}

/// The final list for a `main.ini` with this text in its section `uwsgi`, as `key=value` pairs, without the `ini` entry
/// that names the file; or the error message.
pub(crate) fn listed(world: &FakeWorld, text: &str) -> String {
    let mut world = world.clone();
    world
        .files
        .insert(b"main.ini".to_vec(), [b"[uwsgi]\n", text.as_bytes()].concat());
    match evaluated(&world, "--ini main.ini") {
        Ok(evaluation) => shown(&evaluation)
            .strip_prefix("ini=main.ini")
            .unwrap_or_default()
            .trim_start()
            .to_owned(),
        Err(error) => error.to_string(),
    }
}

/// The list as `key=value` pairs.
pub(crate) fn shown(evaluation: &Evaluation) -> String {
    let pairs = evaluation.entries.iter().map(|entry| {
        let value = entry.value.as_deref().unwrap_or(b"true");
        format!(
            "{}={}",
            String::from_utf8_lossy(&entry.key),
            String::from_utf8_lossy(value)
        )
    });
    pairs.collect::<Vec<_>>().join(" ")
}
