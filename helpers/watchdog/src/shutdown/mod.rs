//! The end of a vassal. In this order, each step with a limit: the app is told to stop; other processes are ended; the
//! as-user-atexit hooks run; the FUSE filesystems are unmounted; their daemons, which store what was written only now,
//! are waited for. It is the same whether systemd stops the vassal or the app has ended by itself.
//!
//! Rooms, each of which uses only those before it: extend_timeout, state, own_mounts, commit, copies, stuck, leftovers,
//! atexit, unmount, app, rescue, left_behind, finish.

mod app;
mod atexit;
mod commit;
mod copies;
mod extend_timeout;
mod finish;
pub mod left_behind;
mod leftovers;
mod own_mounts;
mod rescue;
mod state;
mod stuck;
mod unmount;

pub use extend_timeout::TimeoutExtension;
pub use state::Shutdown;
