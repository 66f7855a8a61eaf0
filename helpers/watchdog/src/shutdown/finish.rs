//! The steps after the end of the app, in order.

use super::state::{COMMIT_LIMIT, Shutdown, UNMOUNT_LIMIT};
use super::unmount::Left;
use crate::processes::fuse_daemons;
use crate::processes::signalling::send;
use nix::sys::signal::Signal;
use vassal_sys::mountinfo::Mount;

impl Shutdown<'_> {
    /// Does all steps after the end of the app.
    pub fn finish(&self) {
        self.kill_apps();
        self.report_unseen_end();
        let daemons = self.fuse_daemons();
        self.end_others(&self.with_helpers(&daemons));
        self.run_atexit();
        // A stopped process would delay both the unmount and the end.
        self.continue_all();
        let filesystems = self.filesystems();
        let is_below = |mount: &&Mount| mount.mountpoint != b"/";
        let below: Vec<_> = filesystems.iter().filter(is_below).cloned().collect();
        if self.unmount(&below, UNMOUNT_LIMIT) == Left::Busy {
            // Done now, when everything else has ended, because only daemons' helpers may be left.
            self.end_others(&daemons);
        }
        if daemons.iter().any(|pid| fuse_daemons::is_apart(self.proc, *pid)) {
            return self.end_serving(&daemons);
        }
        // A filesystem that is still mounted is `/`, which ends with the last process. Its daemon is told to end when
        // all others have, because SIGTERM would interrupt daemons that still save data.
        let left = self.filesystems().len();
        self.wait_for_commit(&daemons, left, COMMIT_LIMIT);
        if left > 0 {
            daemons.iter().for_each(|pid| send(*pid, Signal::SIGTERM));
            self.wait_for_commit(&daemons, 0, COMMIT_LIMIT);
        }
    }
}
