//! Lists the processes of a vassal: all of them, descendants, and those that serve FUSE filesystems.

use nix::fcntl::readlinkat;
use nix::unistd::Pid;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;
use vassal_sys::fds;
use vassal_sys::proc::{Proc, Stat, Thread};

/// The device number of /dev/fuse (fuse(4)).
const FUSE_DEVICE: (u32, u32) = (10, 229);

/// All other processes of this PID namespace, ended ones included. Without a PID namespace of its own: the watchdog's
/// children, among them all orphans of the vassal; systemd ends their descendants.
pub fn all(proc: &Proc, is_init: bool) -> Vec<Pid> {
    if !is_init {
        return proc.own_children();
    }
    let mut all = proc.processes();
    all.retain(|pid| pid.as_raw() > 1);
    all
}

/// Whether a process has ended, also if its parent does not reap it: an ended child of a FUSE daemon, for instance,
/// remains as long as the daemon.
pub fn has_ended(proc: &Proc, pid: Pid) -> bool {
    proc.stat(pid).is_none_or(Stat::has_ended)
}

/// Those of `all` that descend from one of `ancestors`.
pub fn descendants(proc: &Proc, all: &[Pid], ancestors: &[Pid]) -> Vec<Pid> {
    let parents = all.iter().filter_map(|pid| Some((*pid, proc.stat(*pid)?.parent)));
    below(parents, ancestors)
}

/// Those of `parents` (pairs of a process and its parent) that descend from one of `ancestors`. Each is visited once,
/// however long a chain of processes a tenant makes.
fn below(parents: impl Iterator<Item = (Pid, Pid)>, ancestors: &[Pid]) -> Vec<Pid> {
    let mut children: HashMap<Pid, Vec<Pid>> = HashMap::new();
    parents.for_each(|(pid, parent)| children.entry(parent).or_default().push(pid));
    let mut found: Vec<Pid> = Vec::new();
    let mut next = ancestors.to_vec();
    while let Some(children) = next.pop().map(|pid| children.remove(&pid).unwrap_or_default()) {
        found.extend_from_slice(&children);
        next.extend(children);
    }
    found
}

/// Whether a process serves a FUSE filesystem, that is, has /dev/fuse open.
pub fn serves_fuse(proc: &Proc, pid: Pid) -> bool {
    fuse_descriptors(proc, pid).next().is_some()
}

/// The numbers of a process's descriptors of /dev/fuse.
pub fn fuse_descriptors(proc: &Proc, pid: Pid) -> impl Iterator<Item = RawFd> {
    let numbers = proc.descriptors(pid).unwrap_or_default();
    numbers.into_iter().filter(move |number| {
        let path = format!("{pid}/fd/{number}");
        // The name is checked first, which is cheap. It may be the name of any file, even on a filesystem that hangs.
        let named = readlinkat(proc, path.as_str()).is_ok_and(|name| name.as_bytes().ends_with(b"/fuse"));
        named && CString::new(path).is_ok_and(|path| is_fuse_device(proc, &path))
    })
}

/// Whether the descriptor at `path` below proc is /dev/fuse.
pub fn is_fuse_device(proc: &Proc, path: &CStr) -> bool {
    fds::device(proc, path) == Ok(FUSE_DEVICE)
}

/// All threads of all processes except the watchdog's own and those of the processes `but`. Without a PID namespace of
/// its own: the threads of the watchdog's descendants, which include all orphans.
pub fn threads(proc: &Proc, is_init: bool, but: &[Pid]) -> Vec<Thread> {
    let mut processes = all(proc, is_init);
    processes.retain(|process| !but.contains(process));
    if !is_init {
        processes = proc.descendants(processes, usize::MAX, |_| true);
    }
    processes
        .iter()
        .flat_map(|process| proc.threads(*process))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_nobody_has_reaped_has_ended() {
        let proc = Proc::mounted().unwrap();
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_raw(child.id() as i32);
        assert!(!has_ended(&proc, pid));
        child.kill().unwrap();
        while !has_ended(&proc, pid) {
            std::thread::yield_now();
        }
        child.wait().unwrap();
        assert!(has_ended(&proc, pid));
    }

    #[test]
    fn descendants_are_children_and_their_children() {
        let proc = Proc::mounted().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let all = all(&proc, true);
        let pid = Pid::from_raw(child.id() as i32);
        let found = descendants(&proc, &all, &[pid]);
        assert_eq!(found.len(), 1);
        assert!(descendants(&proc, &all, &[Pid::this()]).contains(&found[0]));
        nix::sys::signal::kill(found[0], nix::sys::signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_long_chain_is_walked_once() {
        const LENGTH: i32 = 100_000;
        // The youngest first, and one that is its own ancestor.
        let chain = (2..LENGTH)
            .rev()
            .map(|pid| (Pid::from_raw(pid), Pid::from_raw(pid - 1)));
        let circle = [(Pid::from_raw(1), Pid::from_raw(LENGTH - 1))];
        let found = below(chain.chain(circle), &[Pid::from_raw(1)]);
        assert_eq!(found.len(), LENGTH as usize - 1);
        let other = [(Pid::from_raw(5), Pid::from_raw(4))];
        assert_eq!(below(other.into_iter(), &[Pid::from_raw(3)]), []);
    }
}
