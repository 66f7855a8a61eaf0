//! The actions `mount` and `umount`. The target of a mount and the source of a bind mount are resolved once; the kernel
//! gets their descriptors.

use crate::failure::Failure;
use crate::files::safe_open::{object, place};
use crate::hooks::actions::layers;
use crate::hooks::refusal::{at, refused};
use nix::errno::Errno;
use nix::fcntl::readlinkat;
use nix::mount::{MntFlags, MsFlags, mount as mount_by_path};
use nix::sys::stat::fstat;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::hooks::mountflags::{BIND, MOVE, MountFlags, REMOUNT, UmountFlags};
use vassal_escape::printable;
use vassal_sys::attach::{self, Depth};
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last, Place, within};
use vassal_sys::{SysError, mountinfo, mounts};

/// How many mountpoints below a directory are kept in memory at a time; a host may have any number of them.
const AT_ONCE: usize = 64;

/// A `mount` line.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The filesystem type, or a dummy.
    pub fstype: &'a [u8],
    /// The source, or a dummy.
    pub source: &'a [u8],
    /// The mountpoint.
    pub target: &'a Path,
    /// The flags.
    pub flags: MountFlags,
    /// The filesystem's own options.
    pub data: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    /// A mount as the hook `mount` has it.
    pub fn new(
        fstype: &'a [u8],
        source: &'a [u8],
        target: &'a [u8],
        flags: MountFlags,
        data: Option<&'a [u8]>,
    ) -> Self {
        Self {
            fstype,
            source,
            target: at(target),
            flags,
            data,
        }
    }

    fn context(&self) -> String {
        format!(
            "mount '{}' ({}) on '{}'",
            printable(self.source),
            printable(self.fstype),
            printable(self.target.as_os_str().as_bytes())
        )
    }

    fn explain(&self, errno: Errno) -> SysError {
        SysError::new(self.context(), errno).meaning(match errno {
            Errno::ENODEV => Some("the kernel knows no such filesystem type"),
            Errno::ENOSPC => Some("the limit of mounts, fs.mount-max, is reached"),
            Errno::ENOENT => Some("source or mountpoint does not exist"),
            _ => None,
        })
    }

    fn put(&self, mount: &OwnedFd, target: &OwnedFd) -> Result<(), SysError> {
        let is_directory = |fd: &OwnedFd| fstat(fd).is_ok_and(|status| reach::is_directory(&status));
        attach::put(mount, target).map_err(|errno| match errno {
            // Reported as mount(2) would report it.
            Errno::EINVAL if is_directory(mount) != is_directory(target) => self.explain(Errno::ENOTDIR),
            _ => self.explain(errno),
        })
    }

    fn reach(&self, path: &Path) -> Result<OwnedFd, SysError> {
        object(path, || self.context()).map_err(|error| match error.errno {
            Errno::ENOENT => self.explain(Errno::ENOENT),
            _ => error,
        })
    }
}

/// mount(2) and nothing else: no helper program, no mtab, no mkdir (ACT-6). The flags decide what it does, in the
/// kernel's order: remount, bind mount, change of propagation, move, new filesystem.
///
/// # Errors
/// Any error of the kernel, explained where errno's own text is misleading; a link that is not root's.
pub fn mount(proc: &Proc, wanted: &Wanted<'_>) -> Result<(), Failure> {
    attach_as(proc, wanted).map_err(refused)
}

fn attach_as(proc: &Proc, wanted: &Wanted<'_>) -> Result<(), SysError> {
    let (bits, flags) = (
        wanted.flags.bits(),
        MsFlags::from_bits_retain(wanted.flags.bits()),
    );
    let target = wanted.reach(wanted.target)?;
    let source = || wanted.reach(Path::new(OsStr::from_bytes(wanted.source)));
    if bits & REMOUNT != 0 {
        return change(proc, wanted, &target, flags);
    }
    if bits & BIND != 0 {
        let depth = if flags.contains(MsFlags::MS_REC) {
            Depth::All
        } else {
            Depth::This
        };
        let tree = attach::copy(&source()?, depth).map_err(|errno| wanted.explain(errno))?;
        let lifted = MsFlags::from_bits_retain(wanted.flags.lifted());
        if wanted.flags.changes_bind() {
            attach::change(&tree, flags, lifted).map_err(|errno| wanted.explain(errno))?;
        }
        return wanted.put(&tree, &target);
    }
    if bits & MOVE != 0 {
        return wanted.put(&source()?, &target);
    }
    if !wanted.flags.mounts_filesystem() {
        return change(proc, wanted, &target, flags);
    }
    let flags = MsFlags::from_bits_retain(wanted.flags.bits_of_new(wanted.fstype));
    let looked = layers::resolve((wanted.fstype, wanted.source), wanted.data, || wanted.context());
    let looked = looked.map_err(|error| match error.errno {
        Errno::ENOENT => wanted.explain(Errno::ENOENT),
        _ => error,
    })?;
    let make = || attach::filesystem(wanted.fstype, &looked.source, flags, looked.options.as_deref());
    let mount = if looked.has_descriptors() {
        within(proc, make)
    } else {
        make()
    };
    wanted.put(&mount.map_err(|errno| wanted.explain(errno))?, &target)
}

/// mount(2) for flags that change the mount at `target`.
fn change(proc: &Proc, wanted: &Wanted<'_>, target: &OwnedFd, flags: MsFlags) -> Result<(), SysError> {
    let path = format!("self/fd/{}", target.as_raw_fd());
    let (source, fstype) = (Some(wanted.source), Some(wanted.fstype));
    within(proc, || {
        mount_by_path(source, path.as_str(), fstype, flags, wanted.data)
    })
    .map_err(|errno| wanted.explain(errno))
}

/// umount2(2); only root's own links are followed. Recursive and lazy together is one call, because the kernel detaches
/// a mount with everything below it. Recursive alone unmounts the leaves first, until mountinfo shows nothing more
/// below (ACT-9, without its limits).
///
/// # Errors
/// Any error of the kernel; a link that is not root's.
pub fn unmount(proc: &Proc, target: &[u8], flags: UmountFlags) -> Result<(), Failure> {
    detach_from(proc, at(target), flags).map_err(refused)
}

fn detach_from(proc: &Proc, target: &Path, flags: UmountFlags) -> Result<(), SysError> {
    let mut how = MntFlags::empty();
    how.set(MntFlags::MNT_DETACH, flags.detach);
    how.set(MntFlags::MNT_FORCE, flags.force);
    let step = || format!("unmount '{}'", printable(target.as_os_str().as_bytes()));
    if flags.recursive && !flags.detach {
        // In the form of mountinfo, without links.
        let below = [
            mounts::place_of(proc.as_fd(), &object(target, step)?)
                .context(step)?
                .as_slice(),
            b"/",
        ]
        .concat();
        loop {
            let inside = last_below(proc, &below)?;
            let is_gone = |path: &Path| {
                // In the form of mountinfo, without links.
                let place = reach::place_unseen(path);
                place.is_ok_and(|place| mounts::detach(place, path, how).is_ok())
            };
            let gone = inside
                .iter()
                .rev()
                .filter(|path| is_gone(Path::new(OsStr::from_bytes(path))));
            if gone.count() == 0 {
                break;
            }
        }
    }
    mounts::detach(spot(target, step)?, target, how)
}

/// Resolves `target` without asking the filesystem that is mounted there: it may be dead, or closed to other users than
/// its owner.
fn spot(target: &Path, step: impl Fn() -> String) -> Result<Place, SysError> {
    match reach::place_unseen(target) {
        Ok(spot) if readlinkat(&spot.directory, spot.name.as_os_str()).is_err() => Ok(spot),
        Ok(_) | Err(Errno::ELOOP) => place(target, Last::Followed, step),
        Err(errno) => Err(errno).context(step),
    }
}

/// The mountpoints that begin with `below`; if there are more than [`AT_ONCE`], the last ones. The others follow when
/// these are unmounted.
fn last_below(proc: &Proc, below: &[u8]) -> Result<VecDeque<Vec<u8>>, SysError> {
    let file = proc.mountinfo()?;
    let mut last = VecDeque::with_capacity(AT_ONCE);
    mountinfo::visit(file, |mount| {
        if mount.mountpoint.starts_with(below) {
            if last.len() == AT_ONCE {
                last.pop_front();
            }
            last.push_back(mount.mountpoint.clone());
        }
    })
    .context(|| "read mountinfo")?;
    Ok(last)
}
