//! Limits how many vassals start at the same time. A thousand at once would need the memory and the disk for a thousand
//! apps that load, and would fill systemd's queue of notifications. Each start takes one of `concurrent-starts` places
//! ([`vassal_state::start_place`]) and releases it when it serves or ends.
//!
//! Only the first start in the [`Line`] looks for a free place, so that a released place wakes one process and not a
//! thousand.

use crate::invocation::{Invocation, START_LIMIT};
use crate::start::cells::{Cells, MOST_PLACES};
use crate::start::line::Line;
use crate::start_place::Place;
use nix::poll::{PollFd, PollFlags};
use nix::unistd::{SysconfVar, sysconf};
use sd_notify::NotifyState;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};
use vassal_state::restart_record::{DIRECTORY, make_directory, since_boot};
use vassal_state::start_place::{drain, open_places};
use vassal_sys::SysError;
use vassal_sys::byte_locks::{locked, try_lock};
use vassal_sys::deadline::Deadline;
use vassal_systemd::status;

/// The first place: the byte that is locked for it.
const FIRST_PLACE: u16 = 1;
/// The default limit, for each processor.
const STARTS_PER_PROCESSOR: u16 = 4;
/// The lowest default limit: a machine with one processor waits for its disk, too.
const FEWEST_STARTS: u16 = 8;
/// How long a start counts towards the limit. One that takes longer waits for something else, or hangs, and must not
/// delay the others.
const COUNTS_FOR: Duration = Duration::from_secs(10);
/// After how long a start tells systemd that it waits. Earlier messages of a thousand starts would fill systemd's queue.
const SAYS_SO_AFTER: Duration = Duration::from_secs(3);
/// The time between two such messages; several of them fit into systemd's time limit.
const SAYS_SO_AGAIN: Duration = Duration::from_secs(20);
/// If no place was taken for this long, the first start in the line does not run any more: normally it takes a place
/// within [`COUNTS_FOR`].
const STUCK_LIMIT: Duration = Duration::from_secs(30);
/// How often the first start in the line looks for a free place: a process that is killed releases its place without
/// waking anything.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The result of waiting for a place.
#[derive(Debug)]
pub struct Waited {
    /// The place; `None` without a limit.
    pub place: Option<Place>,
    /// Whether the wait was so long that files may have been changed meanwhile.
    pub is_long: bool,
}

impl Waited {
    /// Waits until fewer than `limit` other vassals start. 0 is no limit, `None` a limit by the number of processors. If
    /// the places cannot be used the start goes on without one, with a warning.
    pub fn for_place(invocation: &Invocation, limit: Option<u16>) -> Self {
        let begun = Instant::now();
        let limit = limit.unwrap_or_else(fitting_limit);
        let place = match limit == 0 || invocation.notifier.socket().is_none() {
            true => None,
            false => take(invocation, limit, begun)
                .inspect_err(|error| {
                    invocation.warn(&format!("{error}: starting without waiting for others"));
                })
                .ok(),
        };
        Self {
            place,
            is_long: begun.elapsed() > LOOK_AGAIN,
        }
    }
}

/// The default limit: enough to keep the processors busy while some starts wait for a disk or a network.
fn fitting_limit() -> u16 {
    let processors = sysconf(SysconfVar::_NPROCESSORS_ONLN).ok().flatten().unwrap_or(1);
    u16::try_from(processors)
        .map_or(MOST_PLACES, |count| count.saturating_mul(STARTS_PER_PROCESSOR))
        .clamp(FEWEST_STARTS, MOST_PLACES)
}

fn take(invocation: &Invocation, limit: u16, begun: Instant) -> Result<Place, SysError> {
    let directory = Path::new(DIRECTORY);
    make_directory(directory)?;
    let cells = Cells::open(directory)?;
    let mut queue = Queue {
        invocation,
        limit,
        cells: &cells,
        begun,
        speaks_at: begun + SAYS_SO_AFTER,
        has_spoken: false,
    };
    let places = open_places(directory)?;
    let mut line = Line::join(&cells)?;
    let is_first = match &mut line {
        Some(line) => queue.wait_to_be_first(line)?,
        None => false,
    };
    if !is_first {
        invocation.warn("the start that is the next one stands still: going on before it");
    }
    queue.wait_for_place(&places)?;
    drop(line);
    if queue.has_spoken {
        queue.ask_for_time("starting")?;
    }
    Ok(Place::new(places))
}

struct Queue<'a> {
    invocation: &'a Invocation,
    limit: u16,
    cells: &'a Cells,
    begun: Instant,
    speaks_at: Instant,
    has_spoken: bool,
}

impl Queue<'_> {
    /// Waits until this start is the first in the line. Returns `false` if the first one does not run any more.
    fn wait_to_be_first(&mut self, line: &mut Line<'_>) -> Result<bool, SysError> {
        loop {
            let left = self.speaks_at.saturating_duration_since(Instant::now());
            if line.wait(left.max(LOOK_AGAIN))? {
                return Ok(true);
            }
            let now = since_boot();
            let last = Some(self.cells.last_taken()).filter(|last| *last <= now);
            let idle = now.saturating_sub(last.unwrap_or_default());
            if idle.min(self.begun.elapsed()) > STUCK_LIMIT {
                return Ok(false);
            }
            self.say_so_in_time()?;
        }
    }

    /// Waits for a place and takes it.
    fn wait_for_place(&mut self, places: &File) -> Result<(), SysError> {
        while !self.take_free_place(places)? {
            let mut fds = [PollFd::new(places.as_fd(), PollFlags::POLLIN)];
            // An error is ignored: the loop only looks for a place earlier.
            if Deadline::after(LOOK_AGAIN)
                .poll(&mut fds, LOOK_AGAIN)
                .unwrap_or(false)
            {
                drain(places);
            }
            self.say_so_in_time()?;
        }
        Ok(())
    }

    /// Locks the first free byte, if fewer bytes than the limit are locked by starts that still count. If no byte is
    /// free at all, they belong to starts that hang, and there is nothing to wait for.
    fn take_free_place(&self, places: &File) -> Result<bool, SysError> {
        let now = since_boot();
        let taken = locked(places, FIRST_PLACE.into()..MOST_PLACES.into())?;
        let taken: Vec<u16> = taken
            .into_iter()
            .filter_map(|place| place.try_into().ok())
            .collect();
        let counts = |place: &&u16| now.saturating_sub(self.cells.taken(**place)) < COUNTS_FOR;
        if taken.iter().filter(counts).count() >= self.limit.into() {
            return Ok(false);
        }
        let gap = (FIRST_PLACE..).zip(&taken).find(|(place, taken)| place != *taken);
        let place = gap.map_or(FIRST_PLACE + taken.len() as u16, |(place, _)| place);
        if place == MOST_PLACES {
            return Ok(true);
        }
        // The lock fails if another start is looking for a place, too, because the first in the line did not run.
        if !try_lock(places, place.into())? {
            return Ok(false);
        }
        self.cells.set_taken(place, now)?;
        Ok(true)
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

    /// Asks systemd for the time of a whole start from now on: the wait must not use up the unit's own limit.
    fn ask_for_time(&self, status: &str) -> Result<(), SysError> {
        let time = u32::try_from(START_LIMIT.as_micros()).unwrap_or(u32::MAX);
        let states = [NotifyState::Status(status), NotifyState::ExtendTimeoutUsec(time)];
        self.invocation.notifier.send(&states)
    }
}
