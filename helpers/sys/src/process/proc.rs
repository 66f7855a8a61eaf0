//! A proc filesystem (proc(5)), by a descriptor of its root directory, and what its files say about processes and
//! threads. Some files take a lock of the process they describe; callers have to know which. `stat`, `status`, `wchan`
//! and `children` do not.

use crate::descriptors::directory;
use crate::error::{Context, SysError};
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};

/// Longer than most files of a process.
const USUAL_TEXT: usize = 4096;

/// A proc filesystem.
#[derive(Debug)]
pub struct Proc(OwnedFd);

impl From<OwnedFd> for Proc {
    fn from(root: OwnedFd) -> Self {
        Self(root)
    }
}

impl AsFd for Proc {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Proc {
    /// The proc that is mounted on `/proc`, of whichever PID namespace.
    ///
    /// # Errors
    /// As open(2).
    pub fn mounted() -> Result<Self, SysError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = open("/proc", flags, Mode::empty());
        root.map(Self).context(|| "open '/proc'")
    }

    /// Opens the file `path` for reading.
    ///
    /// # Errors
    /// As openat(2); `ENOENT` for a process that has ended.
    pub fn open(&self, path: &str) -> Result<File, SysError> {
        directory::open_below(self, path)
    }

    /// Opens the mountinfo of this process's mount namespace (proc_pid_mountinfo(5)).
    ///
    /// # Errors
    /// As [`Proc::open`].
    pub fn mountinfo(&self) -> Result<File, SysError> {
        self.open("self/mountinfo")
    }

    /// Reads the file `path`; `None` when its process has ended. Files of proc have no size, so the standard library
    /// would read them in growing pieces, with eight system calls instead of three.
    pub fn text(&self, path: &str) -> Option<String> {
        let mut file = self.open(path).ok()?;
        let (mut start, mut length) = ([0; USUAL_TEXT], 0);
        while length < start.len() {
            match file.read(&mut start[length..]) {
                Ok(0) => return String::from_utf8(start[..length].to_vec()).ok(),
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return None,
            }
        }
        let mut text = start.to_vec();
        file.read_to_end(&mut text).ok()?;
        String::from_utf8(text).ok()
    }

    /// The `stat` of a process that has not been reaped.
    pub fn stat(&self, pid: Pid) -> Option<Stat> {
        Stat::parse(&self.text(&format!("{pid}/stat"))?)
    }

    /// The name of a process that has not been reaped; it may contain any character.
    pub fn name(&self, pid: Pid) -> Option<String> {
        let name = self.text(&format!("{pid}/comm"))?;
        Some(name.trim_end().to_owned())
    }

    /// All processes in this proc, ended ones included.
    pub fn processes(&self) -> Vec<Pid> {
        let names = directory::list(self, ".").unwrap_or_default();
        pids(names.iter().map(String::as_str))
    }

    /// The threads of a process.
    pub fn threads(&self, process: Pid) -> Vec<Thread> {
        let names = directory::list(self, &format!("{process}/task")).unwrap_or_default();
        let numbers = pids(names.iter().map(String::as_str)).into_iter();
        numbers.map(|number| Thread { process, number }).collect()
    }

    /// The numbers of a process's descriptors.
    ///
    /// # Errors
    /// As openat(2), getdents(2).
    pub fn descriptors(&self, pid: Pid) -> Result<Vec<RawFd>, SysError> {
        let names = directory::list(self, &format!("{pid}/fd"))?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The caller's children, ended ones included (proc_pid_children(5)).
    pub fn own_children(&self) -> Vec<Pid> {
        let text = self.text("thread-self/children").unwrap_or_default();
        pids(text.split_ascii_whitespace())
    }

    /// The children of all threads of `process`.
    pub fn children(&self, process: Pid) -> Vec<Pid> {
        let threads = self.threads(process).into_iter();
        let texts = threads.filter_map(|thread| thread.text(self, "children"));
        texts
            .flat_map(|text| pids(text.split_ascii_whitespace()))
            .collect()
    }

    /// Returns `first` and those descendants for which, and for all of whose ancestors below `first`, `wanted` is true.
    /// The children of at most `limit` processes are looked up.
    pub fn descendants(&self, first: Vec<Pid>, limit: usize, wanted: impl Fn(Pid) -> bool) -> Vec<Pid> {
        let mut found = first;
        let mut next = 0;
        while let Some(pid) = found.get(next).copied().filter(|_| next < limit) {
            found.extend(self.children(pid).into_iter().filter(|child| wanted(*child)));
            next += 1;
        }
        found
    }
}

fn pids<'a>(words: impl Iterator<Item = &'a str>) -> Vec<Pid> {
    words
        .filter_map(|word| word.parse().ok())
        .map(Pid::from_raw)
        .collect()
}

/// A thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thread {
    /// Its process.
    pub process: Pid,
    /// Its own number.
    pub number: Pid,
}

impl Thread {
    /// Reads one of its files; `None` when it has ended.
    pub fn text(self, proc: &Proc, file: &str) -> Option<String> {
        proc.text(&format!("{}/task/{}/{file}", self.process, self.number))
    }

    /// Its `stat`.
    pub fn stat(self, proc: &Proc) -> Option<Stat> {
        Stat::parse(&self.text(proc, "stat")?)
    }
}

/// Fields of `stat` of a process or a thread (proc_pid_stat(5)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// `R`, `S`, `D`, `T`, `Z`, ...
    pub state: u8,
    /// Its parent.
    pub parent: Pid,
    /// The number of threads of its process.
    pub threads: u32,
    /// The processor on which it last ran.
    pub processor: Option<usize>,
}

impl Stat {
    /// Parses the line. The name, in parentheses, may contain any character.
    pub fn parse(line: &str) -> Option<Self> {
        let mut fields = line.rsplit_once(") ")?.1.split_ascii_whitespace();
        Some(Self {
            state: fields.next()?.bytes().next()?,
            parent: Pid::from_raw(fields.next()?.parse().ok()?),
            // Fields 18 and 37 counted from the state.
            threads: fields.nth(15)?.parse().ok()?,
            processor: fields.nth(18).and_then(|field| field.parse().ok()),
        })
    }

    /// Whether the process has ended, also if its parent does not reap it. A process whose first thread has ended while
    /// others still run has the same state, but has not ended.
    pub fn has_ended(self) -> bool {
        matches!(self.state, b'Z' | b'X') && self.threads <= 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    const REST: &str = "4 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0";

    fn proc() -> Proc {
        Proc::mounted().unwrap()
    }

    #[test]
    fn a_text_of_any_length_is_read_whole_and_one_that_is_no_text_is_none() {
        let place = std::env::temp_dir().join(format!("vassal-proc-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let root = Proc::from(OwnedFd::from(File::open(&place).unwrap()));
        for length in [0, 1, USUAL_TEXT - 1, USUAL_TEXT, USUAL_TEXT + 1, 3 * USUAL_TEXT] {
            let text: String = ('a'..='z').cycle().take(length).collect();
            std::fs::write(place.join("text"), &text).unwrap();
            assert_eq!(root.text("text"), Some(text), "{length}");
        }
        std::fs::write(place.join("text"), [b'a', 0xff]).unwrap();
        assert_eq!(root.text("text"), None);
        assert_eq!(root.text("none"), None);
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_name_may_look_like_the_rest_of_the_line() {
        let stat = Stat::parse(&format!("7 (a) Z 1 b) S {REST} 1 0")).unwrap();
        assert_eq!(
            (stat.state, stat.parent, stat.threads),
            (b'S', Pid::from_raw(4), 1)
        );
        assert!(!stat.has_ended() && Stat::parse("").is_none());
        assert!(Stat::parse(&format!("7 (a) Z {REST} 1 0")).unwrap().has_ended());
    }

    #[test]
    fn a_process_whose_first_thread_has_ended_before_another_has_not() {
        assert!(!Stat::parse(&format!("7 (app) Z {REST} 2 0")).unwrap().has_ended());
    }

    #[test]
    fn the_processor_is_the_thirty_seventh_field() {
        let fields: Vec<String> = (1..50).map(|number| number.to_string()).collect();
        let stat = Stat::parse(&format!("7 (a) b) S {}", fields.join(" "))).unwrap();
        assert_eq!((stat.threads, stat.processor), (17, Some(36)));
    }

    #[test]
    fn children_are_found_with_theirs_as_far_as_they_are_wanted() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let (proc, pid) = (proc(), Pid::from_raw(child.id() as i32));
        assert!(proc.children(Pid::this()).contains(&pid) && proc.processes().contains(&pid));
        let found = proc.descendants(vec![pid], usize::MAX, |_| true);
        assert_eq!((found.len(), found[0]), (2, pid));
        assert_eq!(proc.descendants(vec![pid], usize::MAX, |_| false), [pid]);
        assert_eq!(proc.descendants(vec![pid], 0, |_| true), [pid]);
        assert_eq!(proc.name(pid).as_deref(), Some("sh"));
        nix::sys::signal::kill(found[1], nix::sys::signal::Signal::SIGKILL).unwrap();
        child.wait().unwrap();
        assert!(proc.stat(pid).is_none() && proc.name(pid).is_none());
    }
}
