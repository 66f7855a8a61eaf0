//! What stands for something else: magic variables, `$(references)`, `%(sums)`, patterns of paths.

pub(crate) mod expand;
pub(crate) mod glob;
pub(crate) mod magic;
pub(crate) mod math;
