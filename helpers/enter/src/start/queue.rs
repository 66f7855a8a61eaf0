//! How many vassals start at the same time: a thousand at once would need the memory and the disk of a thousand that load, and
//! systemd's queue of notifications would be full of them. Each start takes one of `concurrent-starts` places, which is a locked
//! byte of a file in /run/vassal, and leaves it when it serves or ends: the lock goes with the open file, from vassal-enter to
//! vassal-watchdog, and with the last process that has it, however that ends.
//!
//! Only one start at a time looks for a free place; all others wait for the lock on byte 0, in the order in which they came. So a
//! place that becomes free wakes one process and not a thousand.

use crate::invocation::{Invocation, START_LIMIT};
use crate::start_place::Place;
use nix::fcntl::{OFlag, open};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::stat::Mode;
use nix::unistd::{SysconfVar, sysconf};
use sd_notify::NotifyState;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use vassal_state::restart_record::{DIRECTORY, make_directory, since_boot};
use vassal_sys::SysError;
use vassal_sys::byte_locks::{first_locked, lock_within, try_lock, unlock};
use vassal_sys::error::Context;
use vassal_systemd::status;

/// The name of the file with the places.
const NAME: &str = ".starts";
/// The byte that the start has which looks for a place.
const FIRST_IN_LINE: u16 = 0;
/// How many starts may have a place, those that have had it for too long included.
const MOST_PLACES: u16 = 4096;
/// How many starts each processor may have at the same time, where no limit is set.
const STARTS_PER_PROCESSOR: u16 = 4;
/// A machine with one processor waits for its disk, too.
const FEWEST_STARTS: u16 = 8;
/// How long a start counts. One that takes longer waits for something else, or hangs, and must not hold the others up: it goes on
/// without a place.
const COUNTS_FOR: Duration = Duration::from_secs(10);
/// A start that waits for longer says so. Earlier, a thousand of them would fill systemd's queue with it.
const SAYS_SO_AFTER: Duration = Duration::from_secs(3);
/// The time between two messages of a start that waits; several of them fit into systemd's limit.
const SAYS_SO_AGAIN: Duration = Duration::from_secs(20);
/// When the first in line has taken no place for so long, it stands still: it takes one in [`COUNTS_FOR`] at the latest.
const STUCK_LIMIT: Duration = Duration::from_secs(30);
/// The first in line looks again so often at least: a process that is killed is seen to close the file before its lock is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How a wait for a place has ended.
#[derive(Debug)]
pub struct Waited {
    /// The place, where there is a limit.
    pub place: Option<Place>,
    /// Whether something may have changed meanwhile.
    pub is_long: bool,
}

impl Waited {
    /// Waits until fewer than `limit` other vassals start; zero is no limit, `None` a limit that fits the machine. Where it cannot
    /// be told how many there are, the start goes on.
    pub fn for_place(invocation: &Invocation, limit: Option<u16>) -> Self {
        let begun = Instant::now();
        let limit = limit.unwrap_or_else(fitting_limit);
        let place = match limit == 0 || invocation.notifier.socket().is_none() {
            true => None,
            false => take(invocation, limit, begun).unwrap_or_else(|error| {
                invocation.warn(&format!("{error}: starting without waiting for others"));
                None
            }),
        };
        Self {
            place,
            is_long: begun.elapsed() > LOOK_AGAIN,
        }
    }
}

/// The limit where none is set: enough to keep the processors busy while some starts wait for a disk or a network.
fn fitting_limit() -> u16 {
    let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1);
    u16::try_from(processors)
        .map_or(MOST_PLACES, |count| count.saturating_mul(STARTS_PER_PROCESSOR))
        .clamp(FEWEST_STARTS, MOST_PLACES)
}

fn take(invocation: &Invocation, limit: u16, begun: Instant) -> Result<Option<Place>, SysError> {
    let directory = Path::new(DIRECTORY);
    make_directory(directory)?;
    let path = directory.join(NAME);
    let flags = OFlag::O_RDWR | OFlag::O_CREAT | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let fd =
        open(&path, flags, Mode::S_IRUSR | Mode::S_IWUSR).context(|| format!("open '{}'", path.display()))?;
    let mut queue = Queue {
        invocation,
        limit,
        file: File::from(fd),
        path,
        begun,
        speaks_at: begun + SAYS_SO_AFTER,
        has_spoken: false,
    };
    if !queue.wait_to_be_first()? {
        invocation.warn("the start that is the next one stands still: starting without waiting for it");
        return Ok(None);
    }
    queue.wait_for_place()?;
    unlock(&queue.file, FIRST_IN_LINE)?;
    if queue.has_spoken {
        queue.ask_for_time("starting")?;
    }
    Ok(Some(Place::new(queue.file)))
}

struct Queue<'a> {
    invocation: &'a Invocation,
    limit: u16,
    file: File,
    path: PathBuf,
    begun: Instant,
    speaks_at: Instant,
    has_spoken: bool,
}

impl Queue<'_> {
    /// Waits for the lock of the first in line; not, when that stands still.
    fn wait_to_be_first(&mut self) -> Result<bool, SysError> {
        if try_lock(&self.file, FIRST_IN_LINE)? {
            return Ok(true);
        }
        loop {
            let left = self.speaks_at.saturating_duration_since(Instant::now());
            if lock_within(&self.file, FIRST_IN_LINE, left.max(LOOK_AGAIN))? {
                return Ok(true);
            }
            let last = since_boot().saturating_sub(self.time_of(FIRST_IN_LINE));
            if last.min(self.begun.elapsed()) > STUCK_LIMIT {
                return Ok(false);
            }
            self.say_so_in_time()?;
        }
    }

    /// Waits for a place and takes it.
    fn wait_for_place(&mut self) -> Result<(), SysError> {
        if self.take_free_place()? {
            return Ok(());
        }
        let step = || "wait for other starts";
        let closed = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context(step)?;
        closed
            .add_watch(&self.path, AddWatchFlags::IN_CLOSE_WRITE)
            .context(step)?;
        while !self.take_free_place()? {
            let timeout = PollTimeout::try_from(LOOK_AGAIN).unwrap_or(PollTimeout::ZERO);
            let mut fds = [PollFd::new(closed.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, timeout).is_ok_and(|ready| ready > 0) {
                // What it tells is that it is time to look.
                drop(closed.read_events());
            }
            self.say_so_in_time()?;
        }
        Ok(())
    }

    /// Locks the first free byte, if fewer than the limit are locked by starts that still count.
    fn take_free_place(&self) -> Result<bool, SysError> {
        let now = since_boot();
        let (mut free, mut count, mut from) = (None, 0, FIRST_IN_LINE + 1);
        while let Some(taken) = first_locked(&self.file, from..MOST_PLACES)? {
            if taken > from {
                free = free.or(Some(from));
            }
            if now.saturating_sub(self.time_of(taken)) < COUNTS_FOR {
                count += 1;
            }
            if count >= self.limit {
                return Ok(false);
            }
            from = taken + 1;
        }
        let place = free.unwrap_or(from.min(MOST_PLACES - 1));
        // Only the first in line locks, so what was free still is.
        if !try_lock(&self.file, place)? {
            return Ok(false);
        }
        for byte in [place, FIRST_IN_LINE] {
            self.file
                .write_all_at(&(now.as_millis() as u64).to_le_bytes(), offset(byte))
                .context(|| format!("write '{}'", self.path.display()))?;
        }
        Ok(true)
    }

    /// When the place was taken, since the boot; long ago, when that cannot be read.
    fn time_of(&self, place: u16) -> Duration {
        let mut millis = [0; size_of::<u64>()];
        match self.file.read_exact_at(&mut millis, offset(place)) {
            Ok(()) => Duration::from_millis(u64::from_le_bytes(millis)),
            Err(_) => Duration::ZERO,
        }
    }

    fn say_so_in_time(&mut self) -> Result<(), SysError> {
        if Instant::now() >= self.speaks_at {
            self.speaks_at = Instant::now() + SAYS_SO_AGAIN;
            self.has_spoken = true;
            let limit = self.limit;
            self.ask_for_time(&status::WAITING_TO_START.with(&[("limit", &limit)]))?;
            self.invocation.notifier.flush()?;
            self.invocation.notifier.gather();
        }
        Ok(())
    }

    /// The unit's limit for a start is for one that starts.
    fn ask_for_time(&self, status: &str) -> Result<(), SysError> {
        let time = u32::try_from(START_LIMIT.as_micros()).unwrap_or(u32::MAX);
        let states = [NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(time)];
        self.invocation.notifier.send(&states)
    }
}

fn offset(place: u16) -> u64 {
    u64::from(place) * size_of::<u64>() as u64
}
