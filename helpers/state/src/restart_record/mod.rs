//! What a vassal remembers from one start to the next. A restart finds the record in systemd's FD store. The store is emptied
//! when the unit stops or fails, so a later start reads the file in [`DIRECTORY`]: all of it when vassal-retry@.service
//! or a connection has begun that start, as it belongs to the same series of attempts; else only which filesystems a killed run
//! has left unsaved.
//!
//! Rooms, each of which uses only those before it: record, store.

mod record;
mod store;

pub use record::{End, Next, Pauses, RestartRecord, SEE_ABOVE, SETTLED, Turn, since_boot};
pub use store::{DIRECTORY, NAME, Store, forget, make_directory};
