//! Where the vassals' files come from: directories and patterns of names, and what tells that something has changed in them.

pub mod answer;
pub mod ask;
pub mod directory;
pub mod entry;
pub mod packed;
pub mod scan;
pub mod way;
