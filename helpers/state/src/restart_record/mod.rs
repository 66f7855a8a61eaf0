//! What a vassal remembers from one start to the next, in a file of [`DIRECTORY`]. A restart goes on with all of it ([`Follows`]), and so
//! does a start that vassal-retry@.service or a connection has begun, as it belongs to the same series of attempts; of any other only
//! which filesystems a killed run has left unsaved counts.
//!
//! Rooms, each of which uses only those before it: record, started, store.

mod record;
mod started;
mod store;

pub use record::{End, Next, Pauses, RestartRecord, SEE_ABOVE, SETTLED, Turn, since_boot};
pub use started::{Follows, is_runtime_directory, runtime_directory};
pub use store::{DIRECTORY, NAME, Store, file, forget, make_directory};
