//! The way of a vassal's file through the library, as `vassal-enter` takes it. What changes in the library's interface is
//! adapted here, once for all targets.

use crate::constant::Constant;
use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::settings::Emperor;
use vassal_config::language::evaluation::evaluate::{Evaluation, evaluate};
use vassal_config::emperor::name::VassalName;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;

/// The machine with `text` as the vassal's file, and what `include` and `@()` may name.
pub fn machine(text: &[u8], other: &[u8]) -> Constant {
    Constant::default()
        .with_file(b"vassal.ini", text)
        .with_file(b"other.ini", other)
        .with_file(b"f", other)
        .with_variable(b"FOO", b"bar")
        .with_variable(b"TEXT", b"%(a) @(f)")
}

/// The evaluated `[uwsgi]` section.
pub fn evaluated(world: &Constant) -> Result<Evaluation, Diagnostic> {
    evaluate(&[b"--ini".to_vec(), b"vassal.ini".to_vec()], world)
}

/// What a start makes of the file; or all that is wrong.
pub fn read(world: &Constant) -> Result<Vassal, Vec<Diagnostic>> {
    let name = VassalName::parse(b"vassal").expect("a name");
    read::read(&Emperor::default(), &name, world)
}
