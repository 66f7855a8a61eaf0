//! Bytes without a meaning yet: splitting, replacing, numbers.

pub(crate) mod number;
pub(crate) mod replace;
