//! Files that root opens or copies for an app that may not do so itself.

pub mod files;
pub mod keys;
pub mod renew;
