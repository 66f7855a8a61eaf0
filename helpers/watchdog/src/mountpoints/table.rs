//! The table of mounts, and which FUSE filesystems and overlays in it belong to the vassal. Only those are ever
//! aborted, unmounted or waited for, and only in those the vassal can lose data.
//!
//! A filesystem belongs to the vassal if it was mounted first in the vassal's own mount namespace. So these do not:
//! - one that existed before the first hook, as a copy of the host's mounts (`Handoff::foreign`);
//! - one that has a slave mount: it has come from the host since then, or is a bind mount of one that has;
//! - one that the host has mounted now, however it has come here: a slave stops being one when the host makes its mount
//!   private;
//! - one that did not belong to the vassal at an earlier look, as long as it is mounted here: the host may have
//!   unmounted it meanwhile.
//!
//! A device number is reused when no mount of its filesystem is left anywhere. So what is remembered about a number is
//! forgotten when the table no longer contains it.

use crate::mountpoints::verdict::is_same;
use nix::errno::Errno;
use std::cell::RefCell;
use std::fs::File;
use std::os::fd::OwnedFd;
use vassal_state::handoff::Handoff;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::fusectl::Abort;
use vassal_sys::mountinfo::{self, Mount};
use vassal_sys::proc::Proc;

type Device = (u32, u32);

/// The table, and what is known about its filesystems.
#[derive(Debug)]
pub struct Table {
    /// The mountinfo of the host's namespace, in which the vassal was started.
    host: File,
    /// Whether the vassal has its own mount namespace.
    owns_mounts: bool,
    origins: RefCell<Origins>,
}

/// The devices whose filesystems belong to the vassal, and those whose filesystems do not; each list sorted.
#[derive(Debug, Default)]
struct Origins {
    own: Vec<Device>,
    foreign: Vec<Device>,
}

impl Table {
    /// The table of a vassal whose hooks have run. `host` is the mountinfo of the namespace in which it was started.
    pub fn new(handoff: &Handoff, host: File) -> Self {
        let mut foreign = handoff.foreign.clone();
        foreign.sort_unstable();
        let own = Vec::new();
        Self {
            host,
            owns_mounts: handoff.owns_mounts,
            origins: RefCell::new(Origins { own, foreign }),
        }
    }

    /// Reads the table, and returns the mounts for which `wanted` is true in their order, whether they belong to the
    /// vassal or not. Also finds out which filesystems do.
    ///
    /// # Errors
    /// When proc cannot be read.
    pub fn look(&self, proc: &Proc, mut wanted: impl FnMut(&Mount) -> bool) -> Result<Vec<Mount>, SysError> {
        let mut seen = Vec::new();
        let found = select(proc, |mount| {
            if self.owns_mounts && has_origin(mount) {
                seen.push((mount.device(), mount.is_slave));
            }
            wanted(mount)
        })?;
        let mut origins = self.origins.borrow_mut();
        let unknown = origins.renew(seen);
        if !unknown.is_empty() {
            let hosts = self.of_host(&unknown)?;
            for device in unknown {
                origins.add(device, hosts.contains(&device));
            }
        }
        Ok(found)
    }

    /// Returns those mounts of the vassal for which `wanted` is true, in their order.
    ///
    /// # Errors
    /// When proc cannot be read.
    pub fn own(&self, proc: &Proc, mut wanted: impl FnMut(&Mount) -> bool) -> Result<Vec<Mount>, SysError> {
        // Others' mounts, of which there may be any number with long names, are not even collected.
        let mut found = self.look(proc, |mount| self.may_be_own(mount) && wanted(mount))?;
        found.retain(|mount| self.is_own(mount));
        Ok(found)
    }

    /// As [`Table::own`], for filesystems that were there at the last look. For use in a forked process, which shares
    /// the open mountinfo of the host with the watchdog and must not read it.
    ///
    /// # Errors
    /// When proc cannot be read.
    pub fn known(&self, proc: &Proc, mut wanted: impl FnMut(&Mount) -> bool) -> Result<Vec<Mount>, SysError> {
        select(proc, |mount| self.is_own(mount) && wanted(mount))
    }

    /// Whether the filesystem of `mount` belongs to the vassal, by the last look.
    pub fn is_own(&self, mount: &Mount) -> bool {
        self.may_be_own(mount) && self.origins.borrow().own.binary_search(&mount.device()).is_ok()
    }

    /// Whether the next look may find that it belongs to the vassal.
    pub fn may_be_own(&self, mount: &Mount) -> bool {
        let is_foreign = || {
            self.origins
                .borrow()
                .foreign
                .binary_search(&mount.device())
                .is_ok()
        };
        self.owns_mounts && has_origin(mount) && !mount.is_slave && !is_foreign()
    }

    /// Aborts the FUSE connection of `mount`, if it is still the same mount and belongs to the vassal, so that
    /// processes that wait for its daemon go on. The directory of connections is the whole machine's, and numbers are
    /// reused. So the abort file is opened first, which fixes the connection, and only after that the table is read
    /// again to find out whose it is.
    ///
    /// # Errors
    /// When proc cannot be read; `EROFS` where /sys is read-only.
    pub fn abort(&self, proc: &Proc, fusectl: &OwnedFd, mount: &Mount) -> Result<(), SysError> {
        let abort = match Abort::open(fusectl, mount.connection()) {
            Err(error) if error.errno == Errno::ENOENT => return Ok(()),
            opened => opened?,
        };
        let found = self.look(proc, |now| is_same(mount, now))?;
        let is_ours = found.iter().any(|now| self.is_own(now));
        if is_ours && self.of_host(&[mount.device()])?.is_empty() {
            abort.end()?;
        }
        Ok(())
    }

    /// Those of `devices` that the host has mounted now.
    fn of_host(&self, devices: &[Device]) -> Result<Vec<Device>, SysError> {
        let mut found = Vec::new();
        mountinfo::visit(&self.host, |mount| {
            let device = mount.device();
            if devices.contains(&device) && !found.contains(&device) {
                found.push(device);
            }
        })
        .context(|| "read the host's mountinfo")?;
        Ok(found)
    }
}

impl Origins {
    /// Updates the origins by the present devices, each with whether it has a slave mount. Returns the devices of which
    /// nothing is known yet.
    fn renew(&mut self, mut seen: Vec<(Device, bool)>) -> Vec<Device> {
        // For each device, an entry with a slave mount comes first.
        seen.sort_unstable_by_key(|(device, is_slave)| (*device, !is_slave));
        seen.dedup_by_key(|(device, _)| *device);
        let (mut own, mut foreign, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for (device, is_slave) in seen {
            if is_slave || self.foreign.binary_search(&device).is_ok() {
                foreign.push(device);
            } else if self.own.binary_search(&device).is_ok() {
                own.push(device);
            } else {
                unknown.push(device);
            }
        }
        *self = Self { own, foreign };
        unknown
    }

    fn add(&mut self, device: Device, is_foreign: bool) {
        let list = match is_foreign {
            true => &mut self.foreign,
            false => &mut self.own,
        };
        if let Err(place) = list.binary_search(&device) {
            list.insert(place, device);
        }
    }
}

/// Whether it matters to whom the filesystem belongs.
fn has_origin(mount: &Mount) -> bool {
    mount.is_fuse() || mount.is_overlay()
}

fn select(proc: &Proc, wanted: impl FnMut(&Mount) -> bool) -> Result<Vec<Mount>, SysError> {
    mountinfo::select(proc.mountinfo()?, wanted).context(|| "read mountinfo")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_a_slave_or_was_foreign_once_is_foreign_until_it_is_gone() {
        let mut origins = Origins {
            own: vec![(0, 41)],
            foreign: vec![(0, 40), (0, 50)],
        };
        // 40 was the host's, 42 has two mounts and one of them is a slave, 43 is new, 50 is gone.
        let seen = vec![
            ((0, 43), false),
            ((0, 42), false),
            ((0, 42), true),
            ((0, 41), false),
            ((0, 40), false),
        ];
        assert_eq!(origins.renew(seen), [(0, 43)]);
        assert_eq!(origins.own, [(0, 41)]);
        assert_eq!(origins.foreign, [(0, 40), (0, 42)]);
        origins.add((0, 43), false);
        // 42 is none any more, 41 has become one, and 50 is another filesystem.
        let seen = vec![
            ((0, 42), false),
            ((0, 41), true),
            ((0, 43), false),
            ((0, 50), false),
        ];
        assert_eq!(origins.renew(seen), [(0, 50)]);
        assert_eq!(origins.own, [(0, 43)]);
        assert_eq!(origins.foreign, [(0, 41), (0, 42)]);
        origins.add((0, 50), true);
        assert_eq!(origins.foreign, [(0, 41), (0, 42), (0, 50)]);
    }
}
