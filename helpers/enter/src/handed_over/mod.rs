//! What root opens or copies for an app that may not do it itself.

pub mod files;
pub mod keys;
pub mod renew;
