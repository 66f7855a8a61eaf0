//! What happens in the host's namespaces before the clone: sources, attempts, pauses, and the end of the first main process.

pub mod as_emperor;
pub mod backoff;
pub mod last_words;
pub mod mainpid;
pub mod pause;
pub mod query;
pub mod queue;
pub mod retry;
pub mod returned;
pub mod source;
pub mod unsaved;
