//! Attacks on what a vassal writes to: the Emperor's socket, the readiness socket, the journal, the status line.
