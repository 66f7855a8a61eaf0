//! The processes of a vassal, in proc: who they are, and which of them serve FUSE filesystems.

use nix::fcntl::readlinkat;
use nix::unistd::Pid;
use std::collections::HashMap;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use vassal_sys::{fds, mounts};

/// The device number of /dev/fuse (fuse(4)).
const FUSE_DEVICE: (u32, u32) = (10, 229);

/// Everybody else in our PID namespace, ended or not; without one, our children, among them every orphan of the vassal, and
/// systemd ends what these leave.
pub fn all(proc: &OwnedFd, is_init: bool) -> Vec<Pid> {
    if !is_init {
        return children(proc);
    }
    let names = mounts::list(proc, ".").unwrap_or_default();
    let numbers = names.iter().filter_map(|name| name.parse().ok());
    numbers.filter(|pid| *pid > 1).map(Pid::from_raw).collect()
}

/// Our children (proc_pid_children(5)).
pub fn children(proc: &OwnedFd) -> Vec<Pid> {
    let file = mounts::open_below(proc, "thread-self/children").ok();
    let text = file.and_then(|file| std::io::read_to_string(file).ok());
    let text = text.unwrap_or_default();
    let numbers = text.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    numbers.map(Pid::from_raw).collect()
}

/// Whether a process has ended: also one that its parent does not reap, such as a child of a FUSE daemon, which would be there
/// as long as the daemon is. Not one whose first thread has ended while another waits for a filesystem, which looks the same
/// but for the number of its threads.
pub fn has_ended(proc: &OwnedFd, pid: Pid) -> bool {
    stat(proc, pid).is_none_or(|stat| stat.has_ended)
}

/// Those of `all` that descend from one of `ancestors`.
pub fn descendants(proc: &OwnedFd, all: &[Pid], ancestors: &[Pid]) -> Vec<Pid> {
    let parents = all
        .iter()
        .filter_map(|pid| Some((*pid, stat(proc, *pid)?.parent)));
    below(parents, ancestors)
}

/// Those of `parents`, each a process and its parent, that descend from one of `ancestors`; each is looked at once, however
/// long a chain a tenant makes of them.
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

/// What proc_pid_stat(5) tells.
struct Stat {
    has_ended: bool,
    parent: Pid,
}

fn stat(proc: &OwnedFd, pid: Pid) -> Option<Stat> {
    let file = mounts::open_below(proc, &format!("{pid}/stat")).ok()?;
    parse(&std::io::read_to_string(file).ok()?)
}

/// The name, in parentheses, may hold any character.
fn parse(stat: &str) -> Option<Stat> {
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let is_zombie = fields.next()?.starts_with(['Z', 'X']);
    let parent = Pid::from_raw(fields.next()?.parse().ok()?);
    // num_threads is the eighteenth from the state on.
    let threads: u32 = fields.nth(15)?.parse().ok()?;
    Some(Stat {
        has_ended: is_zombie && threads <= 1,
        parent,
    })
}

/// Whether a process serves a FUSE filesystem: it has /dev/fuse open.
pub fn serves_fuse(proc: &OwnedFd, pid: Pid) -> bool {
    fuse_descriptors(proc, pid).next().is_some()
}

/// The numbers by which a process has /dev/fuse open.
pub fn fuse_descriptors(proc: &OwnedFd, pid: Pid) -> impl Iterator<Item = String> {
    let numbers = mounts::list(proc, &format!("{pid}/fd")).unwrap_or_default();
    numbers.into_iter().filter(move |number| {
        let path = format!("{pid}/fd/{number}");
        // The name first, which costs less; it may be that of any file, on a filesystem that hangs.
        let named = readlinkat(proc, path.as_str()).is_ok_and(|name| name.as_bytes().ends_with(b"/fuse"));
        named && CString::new(path).is_ok_and(|path| fds::device(proc, &path) == Ok(FUSE_DEVICE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_that_nobody_has_reaped_has_ended() {
        let proc = std::fs::File::open("/proc").unwrap().into();
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
        let proc = std::fs::File::open("/proc").unwrap().into();
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

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let rest = "4 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0";
        let stat = parse(&format!("7 (a) Z 1 b) S {rest} 1 0")).unwrap();
        assert_eq!((stat.has_ended, stat.parent), (false, Pid::from_raw(4)));
        assert!(parse(&format!("7 (a) Z {rest} 1 0")).unwrap().has_ended && parse("").is_none());
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_before_another_has_not() {
        let rest = "4 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0";
        assert!(!parse(&format!("7 (app) Z {rest} 2 0")).unwrap().has_ended);
    }
}
