//! Names of vassals as people type them.
