//! Functions on bytes without a meaning yet: splitting, replacing, parsing numbers.
//!
//! Rooms, each of which uses only those before it: number, replace, split.

pub(crate) mod number;
pub(crate) mod replace;
pub(crate) mod split;
