//! What the fuzz targets share: a machine made of constants, and what every finding must look like.
//!
//! Each target states properties and not only that nothing panics; a property that breaks is a crash. The crate is a
//! workspace of its own, because it needs a nightly compiler and libFuzzer, which nothing else here does.

pub mod judge;
pub mod vassal;
