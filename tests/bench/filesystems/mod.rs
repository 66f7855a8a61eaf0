//! `bench filesystems`: the FUSE filesystems of Debian, each mounted by a vassal, read, killed and stopped.

pub mod measure;
pub mod recipes;
pub mod rows;
