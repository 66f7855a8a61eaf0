//! The way of a vassal's file through the library, as `vassal-enter` takes it. What changes in the library's interface is
//! adapted here, once for all targets.

use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::settings::Emperor;
use vassal_config::language::evaluation::evaluate::{Evaluation, evaluate};
use vassal_config::machine::fake::FakeWorld;
use vassal_config::vassal::read;
use vassal_config::vassal::read::Vassal;

/// The machine with `text` as the vassal's file, and what `include` and `@()` may name.
pub fn machine(text: &[u8], other: &[u8]) -> FakeWorld {
    FakeWorld::default()
        .file(b"vassal.ini", text)
        .file(b"other.ini", other)
        .file(b"f", other)
        .set("FOO", "bar")
        .set("TEXT", "%(a) @(f)")
}

/// The evaluated `[uwsgi]` section.
pub fn evaluated(world: &FakeWorld) -> Result<Evaluation, Diagnostic> {
    evaluate(&[b"--ini".to_vec(), b"vassal.ini".to_vec()], world)
}

/// What a start makes of the file; or all that is wrong.
pub fn read(world: &FakeWorld) -> Result<Vassal, Vec<Diagnostic>> {
    let name = VassalName::parse(b"vassal").expect("a name");
    read::read(&Emperor::default(), &name, world)
}
