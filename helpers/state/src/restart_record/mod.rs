//! What a vassal remembers from one start to the next, in a file of [`DIRECTORY`]. A restart uses all of it
//! ([`Follows`]), and so does a start that was made by vassal-retry@.service or by a connection, because it belongs to
//! the same series of attempts. Any other start uses only the list of filesystems that a killed run has left unsaved.
//!
//! Rooms, each of which uses only those before it: record, started, store.

mod record;
mod started;
mod store;

pub use record::{End, Next, Pauses, RestartRecord, SEE_ABOVE, SETTLED, Turn, since_boot};
pub use started::{Follows, is_runtime_directory, runtime_directory};
pub use store::{DIRECTORY, NAME, Store, file, forget, make_directory};
