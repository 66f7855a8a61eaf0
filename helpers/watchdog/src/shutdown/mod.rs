//! The end of a vassal, in this order, each step with a limit: the app is asked to stop; what else runs is ended; the
//! as-user-atexit hooks run; the FUSE filesystems are unmounted; their daemons, which commit what was written only
//! now, are waited for. The same whether systemd stops the vassal or the app has ended by itself.
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
