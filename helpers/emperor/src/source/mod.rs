//! The source of the vassals' files: directories and patterns of names, and the watches for changes in them.

pub mod answer;
pub mod ask;
pub mod directory;
pub mod entry;
pub mod packed;
pub mod scan;
pub mod watches;
