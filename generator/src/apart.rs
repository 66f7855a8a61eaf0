//! Does work that may block for ever in child processes which can be abandoned.
//!
//! A process that reads from a dead network or FUSE filesystem sleeps in the kernel; no signal ends it, and it does not
//! exit while one of its threads sleeps there. So child processes read the files and this process only reads their
//! answers: systemd waits for this process to end, and not for its children (measured). Normally one child does
//! everything while this process works on the answers. Only when that child sends nothing for `STALL` do other
//! children take over its remaining items.

use crate::pack::{Fields, pack, unpack};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, read};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use vassal_sys::clone::{Side, fork};

/// After this long without an answer, a child's remaining items are given to other children. It is longer than a disk
/// takes for one file, and one more idle child costs nothing.
const STALL: Duration = Duration::from_millis(50);
/// How long an answer is waited for, counted from the first stall. The generator works in three steps (emperor.ini,
/// names, files), each of which has this limit; at most two of them can use it up.
const PATIENCE: Duration = Duration::from_secs(1);
/// The least time that any item gets, even when the items before it have used up [`PATIENCE`].
const LEAST: Duration = Duration::from_millis(200);
/// When the generator gives up on filesystems that answer, but slowly: a tenth of the time that systemd gives all
/// generators.
const LIMIT: Duration = Duration::from_secs(9);
/// The most children at a time. More than one is needed only where filesystems hang, one for each vassal on such a
/// filesystem.
const MOST_CHILDREN: usize = 64;
/// A stalled child's items are split among this many new children.
const PARTS: usize = 16;
/// The time between two checks whether a killed child has ended.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// The length of the prefix of an answer, which says how many bytes follow.
const LENGTH: usize = size_of::<u32>();
/// How many bytes are read from a child at once: some twenty answers. The buffer is on the stack, and each page of the
/// stack that is touched for the first time costs as much time as an answer.
const CHUNK: usize = 8 << 10;

/// A task made of items, where the answer to an item may add further items.
pub trait Work {
    /// The unit of work; a child that blocks on an item is abandoned together with it.
    type Item;

    /// Does `item`. Called in a child.
    fn answer(&self, item: &Self::Item) -> Fields;

    /// Returns the items that follow from the answer to `item`, or from its having none. Parent and child both call it,
    /// in the order of that child's answers, so that the child knows the next items without being told.
    fn follow(&mut self, item: &Self::Item, answer: Option<&Fields>) -> Vec<Self::Item>;

    /// Takes the answer to `item`, or its absence. Called in the parent.
    fn take(&mut self, item: Self::Item, answer: Option<Fields>);
}

/// Does the items `first` and all that follow from them. [`Work::take`] is called for each item exactly once; with
/// `None` where it was not done in time or its child was lost.
///
/// # Errors
/// When not a single child can be forked.
pub fn work_off<W: Work>(work: &mut W, first: Vec<W::Item>) -> io::Result<()> {
    let mut round = Round {
        waiting: VecDeque::from([(0..first.len()).collect()]),
        items: first.into_iter().map(Some).collect(),
        work,
        children: Vec::new(),
        first_stall: None,
    };
    let done = round.run();
    for child in &round.children {
        child.give_up();
    }
    let mut next = 0;
    while next < round.items.len() {
        round.settle(next, None);
        next += 1;
    }
    done
}

/// Does `work` for each of `items`; `None` for an item that was not done in time or whose child was lost.
///
/// # Errors
/// When not a single child can be forked.
pub fn each<T>(items: &[T], work: impl Fn(&T) -> Fields) -> io::Result<Vec<Option<Fields>>> {
    let answers = items.iter().map(|_| None).collect();
    let mut each = Each { items, work, answers };
    work_off(&mut each, (0..items.len()).collect())?;
    Ok(each.answers)
}

/// Reaps the children that were abandoned, waiting at most `limit`; for a caller that goes on running. A child that the
/// kernel still holds is left to a later call. The caller must have no other children.
pub fn reap(limit: Duration) {
    let end = Instant::now() + limit;
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) if Instant::now() >= end => return,
            Ok(WaitStatus::StillAlive) => std::thread::sleep(LOOK_AGAIN),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}

struct Each<'a, T, F> {
    items: &'a [T],
    work: F,
    answers: Vec<Option<Fields>>,
}

impl<T, F: Fn(&T) -> Fields> Work for Each<'_, T, F> {
    type Item = usize;

    fn answer(&self, item: &usize) -> Fields {
        (self.work)(&self.items[*item])
    }

    fn follow(&mut self, _: &usize, _: Option<&Fields>) -> Vec<usize> {
        Vec::new()
    }

    fn take(&mut self, item: usize, answer: Option<Fields>) {
        self.answers[item] = answer;
    }
}

struct Round<'a, W: Work> {
    work: &'a mut W,
    /// All items known so far; `None` in place of one that was taken.
    items: Vec<Option<W::Item>>,
    children: Vec<Child>,
    /// Lists of items that have not been given to a child.
    waiting: VecDeque<VecDeque<usize>>,
    first_stall: Option<Instant>,
}

/// A child, which does its items in order.
struct Child {
    pid: Pid,
    pipe: OwnedFd,
    buffer: Vec<u8>,
    items: VecDeque<usize>,
    /// When it last sent something.
    heard: Instant,
    /// Whether it is stalled: it keeps only its present item, and other children have got the rest.
    is_stalled: bool,
}

impl<W: Work> Round<'_, W> {
    fn run(&mut self) -> io::Result<()> {
        let end = Instant::now() + LIMIT;
        loop {
            self.send()?;
            let now = Instant::now();
            if self.children.is_empty() || now >= end {
                return Ok(());
            }
            self.listen(end)?;
            self.judge();
        }
    }

    /// Hands the answer to an item, or its absence, to the work, unless that was done before. Returns the items that
    /// follow from it.
    fn settle(&mut self, number: usize, answer: Option<Fields>) -> VecDeque<usize> {
        let Some(item) = self.items[number].take() else {
            return VecDeque::new();
        };
        let following = self.work.follow(&item, answer.as_ref());
        self.work.take(item, answer);
        let known = self.items.len();
        self.items.extend(following.into_iter().map(Some));
        if let (Some(first), true) = (&mut self.first_stall, known < self.items.len()) {
            // Time so far was spent waiting for earlier items; the new ones get a full [`PATIENCE`].
            *first = Instant::now();
        }
        (known..self.items.len()).collect()
    }

    /// Gives up an item and queues the items that follow from its having no answer.
    fn lose(&mut self, item: Option<usize>) {
        if let Some(item) = item {
            let following = self.settle(item, None);
            self.waiting.push_back(following);
        }
    }

    /// Forks children for the queued items.
    fn send(&mut self) -> io::Result<()> {
        while self.children.len() < MOST_CHILDREN {
            let Some(items) = self.waiting.pop_front() else {
                break;
            };
            if items.is_empty() {
                continue;
            }
            match self.child(&items) {
                Ok((pid, pipe)) => self.children.push(Child {
                    pid,
                    pipe,
                    buffer: Vec::new(),
                    items,
                    heard: Instant::now(),
                    is_stalled: false,
                }),
                // At a limit of processes or descriptors, the existing children go on alone.
                Err(_) if !self.children.is_empty() => {
                    self.waiting.push_front(items);
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn child(&mut self, items: &VecDeque<usize>) -> io::Result<(Pid, OwnedFd)> {
        let (ours, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        match fork().map_err(|error| io::Error::other(error.to_string()))? {
            Side::Parent(pid) => Ok((pid, ours)),
            Side::Child => {
                drop(ours);
                // The child must not outlive the parent: other children hold the reading end open, so its writes would
                // not fail.
                let done = set_pdeathsig(Signal::SIGKILL).map_err(io::Error::from);
                let done = done.and_then(|()| self.work_through(items.clone(), theirs));
                std::process::exit(i32::from(done.is_err()))
            }
        }
    }

    fn work_through(&mut self, mut items: VecDeque<usize>, pipe: OwnedFd) -> io::Result<()> {
        let mut pipe = File::from(pipe);
        while let Some(item) = items.pop_front().and_then(|number| self.items[number].take()) {
            let fields = self.work.answer(&item);
            let answer = pack(&fields);
            let length = u32::try_from(answer.len()).map_err(io::Error::other)?;
            // One unbuffered write for each answer, because the next item may block for ever.
            pipe.write_all(&[&length.to_le_bytes()[..], &answer].concat())?;
            let known = self.items.len();
            let following = self.work.follow(&item, Some(&fields));
            self.items.extend(following.into_iter().map(Some));
            items.extend(known..self.items.len());
        }
        Ok(())
    }

    /// Waits until a child sends something, one stalls, or `end` is reached.
    fn listen(&mut self, end: Instant) -> io::Result<()> {
        let next = self.children.iter().map(|child| self.deadline(child));
        let next = next.min().unwrap_or(end).min(end);
        let left = next.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd> = self
            .children
            .iter()
            .map(|child| PollFd::new(child.pipe.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut fds, timeout)?;
        let is_ready: Vec<bool> = fds.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        drop(fds);
        let mut ready = is_ready.into_iter();
        let (heard, quiet): (Vec<Child>, Vec<Child>) = std::mem::take(&mut self.children)
            .into_iter()
            .partition(|_| ready.next() == Some(true));
        self.children = quiet;
        for child in heard {
            self.hear(child)?;
        }
        Ok(())
    }

    /// Reads what a child has sent. The child is kept in the list while it runs and has items.
    fn hear(&mut self, mut child: Child) -> io::Result<()> {
        let mut bytes = [0; CHUNK];
        let length = read(&child.pipe, &mut bytes)?;
        child.buffer.extend_from_slice(&bytes[..length]);
        let mut done = 0;
        let mut is_lost = length == 0;
        while let Some(answer) = child.answer(done) {
            done += LENGTH + answer.len();
            let (Some(item), Some(answer)) = (child.items.front().copied(), unpack(answer)) else {
                is_lost = true;
                break;
            };
            child.items.pop_front();
            let following = self.settle(item, Some(answer));
            match child.is_stalled {
                true => self.waiting.push_back(following),
                false => child.items.extend(following),
            }
        }
        child.buffer.drain(..done);
        child.heard = Instant::now();
        if is_lost {
            let lost = child.items.pop_front();
            self.lose(lost);
            self.waiting.push_back(std::mem::take(&mut child.items));
        }
        if child.items.is_empty() {
            child.give_up();
        } else {
            self.children.push(child);
        }
        Ok(())
    }

    /// Takes the waiting items away from stalled children, and gives up items whose time is over.
    fn judge(&mut self) {
        let now = Instant::now();
        let children = std::mem::take(&mut self.children);
        // Computed first, because a lost item resets the time limit for the others.
        let due: Vec<bool> = children.iter().map(|child| now >= self.deadline(child)).collect();
        for (mut child, is_due) in children.into_iter().zip(due) {
            if !is_due {
                self.children.push(child);
            } else if child.is_stalled {
                child.give_up();
                self.lose(child.items.pop_front());
            } else {
                self.first_stall.get_or_insert(now);
                child.is_stalled = true;
                let rest: Vec<usize> = child.items.drain(1..).collect();
                let part = rest.len().div_ceil(PARTS).max(1);
                self.waiting
                    .extend(rest.chunks(part).map(|items| items.iter().copied().collect()));
                self.children.push(child);
            }
        }
    }

    fn deadline(&self, child: &Child) -> Instant {
        match (child.is_stalled, self.first_stall) {
            (true, Some(first)) => (first + PATIENCE).max(child.heard + LEAST),
            _ => child.heard + STALL,
        }
    }
}

impl Child {
    /// The complete answer that begins at offset `at` of the buffer, if all of it has arrived.
    fn answer(&self, at: usize) -> Option<&[u8]> {
        let (length, rest) = self.buffer.get(at..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    /// Kills the child without waiting for it. If the kernel holds it, PID 1 reaps it after this process has ended.
    fn give_up(&self) {
        kill(self.pid, Signal::SIGKILL).ok();
        waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).ok();
    }
}
