//! Expansions: magic variables, `$(references)`, `%(expressions)`, patterns of paths.

pub(crate) mod expand;
pub(crate) mod glob;
pub(crate) mod magic;
pub(crate) mod math;
