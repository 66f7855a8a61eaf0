//! A place among the concurrent starts ([`crate::start::queue`]).

use std::fs::File;

/// A place. It is held as long as any process has the file open.
#[derive(Debug)]
pub struct Place(File);

impl Place {
    /// The place that is locked through `file`.
    pub fn new(file: File) -> Self {
        Self(file)
    }

    /// The open file that holds the lock.
    pub fn file(&self) -> &File {
        &self.0
    }
}
