//! A place among the vassals that start at this moment ([`crate::start::queue`]).

use std::fs::File;

/// A place, for as long as the file is open in any process.
#[derive(Debug)]
pub struct Place(File);

impl Place {
    /// The place that is locked in `file`.
    pub fn new(file: File) -> Self {
        Self(file)
    }

    /// The open file that holds the place.
    pub fn file(&self) -> &File {
        &self.0
    }
}
