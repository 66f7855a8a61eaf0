//! Work that may wait for ever, done in processes that may be lost.
//!
//! A process that asks a dead network or FUSE filesystem sleeps in the kernel, where no signal ends it, and it is not gone while one of
//! its threads sleeps there. So files are read by children, and this process only listens: systemd waits for its end and for no
//! child of its own (measured). As long as all is well there is one child, which does everything, while this process works at the
//! answers; only when it reports nothing for a while, others do what is left.

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

/// After this long without an answer a child's other items are given to others. Longer than a disk takes for a file, and
/// an idle child more costs nothing.
const STALL: Duration = Duration::from_millis(50);
/// How long an answer is waited for, from the first stall on: what is to count in a second of waiting for each of the generator's
/// three steps (emperor.ini, names, files), of which two at most can be in vain.
const PATIENCE: Duration = Duration::from_secs(1);
/// What each item has at least, also where many before it were waited for in vain.
const LEAST: Duration = Duration::from_millis(200);
/// When to give up altogether, on filesystems that do answer, but slowly: a tenth of what systemd gives all generators.
const LIMIT: Duration = Duration::from_secs(9);
/// Children at the same time: more only where a filesystem hangs for as many vassals.
const MOST_CHILDREN: usize = 64;
/// Into how many parts a stalled child's items are cut.
const PARTS: usize = 16;
/// Between two looks whether a child has ended that was given up.
const LOOK_AGAIN: Duration = Duration::from_micros(200);
/// Bytes before an answer, which say how long it is.
const LENGTH: usize = size_of::<u32>();
/// Bytes read from a child at once: some twenty answers. They are on the stack, of which each page that is used for the first time costs
/// as long as an answer.
const CHUNK: usize = 8 << 10;

/// Work of which each answer may lead to more of it.
pub trait Work {
    /// A part of it, at which a child may be lost.
    type Item;

    /// Does `item`, in a child.
    fn answer(&self, item: &Self::Item) -> Fields;

    /// The items that follow from an answer, or from its lack. Both sides ask, in the order of a child's answers, so the child goes on
    /// with them without being told.
    fn follow(&mut self, item: &Self::Item, answer: Option<&Fields>) -> Vec<Self::Item>;

    /// Takes an answer, or its lack, in this process.
    fn take(&mut self, item: Self::Item, answer: Option<Fields>);
}

/// Does `first` and all that follows from it. Every item is taken, those without an answer that were not done in time, or at which
/// a child was lost.
///
/// # Errors
/// No child can be made at all.
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

/// Does `work` for each of `items`; nothing for those that were not done in time, or at which a child was lost.
///
/// # Errors
/// No child can be made at all.
pub fn each<T>(items: &[T], work: impl Fn(&T) -> Fields) -> io::Result<Vec<Option<Fields>>> {
    let answers = items.iter().map(|_| None).collect();
    let mut each = Each { items, work, answers };
    work_off(&mut each, (0..items.len()).collect())?;
    Ok(each.answers)
}

/// Waits for the ends of the children that were given up, at most so long, in a process that lives on: what the kernel holds is left to a later
/// call. To be called where there are no other children.
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
    /// All that are known, but for those that were taken.
    items: Vec<Option<W::Item>>,
    children: Vec<Child>,
    /// Lists of items that no child has.
    waiting: VecDeque<VecDeque<usize>>,
    first_stall: Option<Instant>,
}

/// A process that does items one after the other.
struct Child {
    pid: Pid,
    pipe: OwnedFd,
    buffer: Vec<u8>,
    items: VecDeque<usize>,
    /// When it was last heard.
    heard: Instant,
    /// It has only one item left, and others do the rest.
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

    /// Takes the answer to an item, or its lack, unless it was taken; what follows from it is known from now on.
    fn settle(&mut self, number: usize, answer: Option<Fields>) -> VecDeque<usize> {
        let Some(item) = self.items[number].take() else {
            return VecDeque::new();
        };
        let following = self.work.follow(&item, answer.as_ref());
        self.work.take(item, answer);
        let known = self.items.len();
        self.items.extend(following.into_iter().map(Some));
        if let (Some(first), true) = (&mut self.first_stall, known < self.items.len()) {
            // Until now it was waited for the items before; these have a second of their own.
            *first = Instant::now();
        }
        (known..self.items.len()).collect()
    }

    /// Gives an item up, and leaves to others what follows from its having no answer.
    fn lose(&mut self, item: Option<usize>) {
        if let Some(item) = item {
            let following = self.settle(item, None);
            self.waiting.push_back(following);
        }
    }

    /// Gives waiting items to new children.
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
                // At a limit of processes or descriptors those that are there go on.
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
                // When the parent has ended nothing reads the pipe, but other children hold its reading end open.
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
            // One write for each, and nothing kept back: the next item may be the one that never ends.
            pipe.write_all(&[&length.to_le_bytes()[..], &answer].concat())?;
            let known = self.items.len();
            let following = self.work.follow(&item, Some(&fields));
            self.items.extend(following.into_iter().map(Some));
            items.extend(known..self.items.len());
        }
        Ok(())
    }

    /// Waits until a child reports something or stalls, or until `end`.
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

    /// Takes what a child has said; it is not kept when it has ended or has nothing left to do.
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

    /// Takes the items of those that say nothing, and gives up those that were waited for.
    fn judge(&mut self) {
        let now = Instant::now();
        let children = std::mem::take(&mut self.children);
        // Before anything follows from a lost one, for which it is waited anew.
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
    /// The complete answer that begins at `at` in what was heard.
    fn answer(&self, at: usize) -> Option<&[u8]> {
        let (length, rest) = self.buffer.get(at..)?.split_first_chunk()?;
        rest.get(..u32::from_le_bytes(*length) as usize)
    }

    /// Ends it. One that the kernel holds is not waited for: it is PID 1's when this process has ended.
    fn give_up(&self) {
        kill(self.pid, Signal::SIGKILL).ok();
        waitpid(self.pid, Some(WaitPidFlag::WNOHANG)).ok();
    }
}
