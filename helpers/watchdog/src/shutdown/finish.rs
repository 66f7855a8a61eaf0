//! What follows the end of the app, in its order.

use super::signalling::{send, signal_group};
use super::state::{COMMIT_LIMIT, Shutdown, UNMOUNT_LIMIT};
use super::unmount::Left;
use crate::processes::fuse_daemons;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use vassal_sys::mountinfo::Mount;

impl Shutdown<'_> {
    /// Everything after the app.
    pub fn finish(&self) {
        signal_group(Pid::from_raw(self.handoff.payload), Signal::SIGKILL);
        self.report_unseen_end();
        let daemons = self.fuse_daemons();
        self.end_others(&self.with_helpers(&daemons));
        self.run_atexit();
        // What stands still answers neither the unmount nor the end.
        self.continue_all();
        let filesystems = self.filesystems();
        let is_below = |mount: &&Mount| mount.mountpoint != b"/";
        let below: Vec<_> = filesystems.iter().filter(is_below).cloned().collect();
        if self.unmount(&below, UNMOUNT_LIMIT) == Left::Busy {
            // By what a daemon has started, as all else has ended.
            self.end_others(&daemons);
        }
        if daemons.iter().any(|pid| fuse_daemons::is_apart(self.proc, *pid)) {
            return self.end_serving(&daemons);
        }
        // What is still mounted is `/`, which goes with its last process: its daemon is told to end, when all others
        // have, as SIGTERM would keep one that is committing from its work.
        let left = self.filesystems().len();
        self.wait_for_commit(&daemons, left, COMMIT_LIMIT);
        if left > 0 {
            daemons.iter().for_each(|pid| send(*pid, Signal::SIGTERM));
            self.wait_for_commit(&daemons, 0, COMMIT_LIMIT);
        }
    }
}
