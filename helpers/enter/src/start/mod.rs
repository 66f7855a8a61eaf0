//! What a start does in the host's namespaces: files, attempts and pauses before the clone, and the end of the first
//! main process after it.
//!
//! Rooms, each of which uses only those before it: cells, line, query, queue, source, last_words, returned, pause, retry, backoff, unsaved, as_emperor,
//! mainpid, run.

pub mod as_emperor;
pub mod backoff;
mod cells;
pub mod last_words;
mod line;
pub mod mainpid;
pub mod pause;
pub mod query;
pub mod queue;
pub mod retry;
pub mod returned;
pub mod run;
pub mod source;
pub mod unsaved;
