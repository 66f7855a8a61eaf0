//! Attacks through files that the generator and vassal-enter read before anything runs.
