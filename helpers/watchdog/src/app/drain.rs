//! Draining: before an app is told to end, or uWSGI to reload, its workers are prevented from accepting further
//! connections. Otherwise a worker that has just accepted a connection, and has not yet recorded that it handles a
//! request, exits at once on a graceful order to end, and the kernel resets the connection (measured without vassal: in
//! one of eighty stops under load). So the listening sockets are removed from the workers' epoll instances: new clients
//! wait at the socket, which outlives the app, for the next app. Requests in progress are answered as usual. Sockets
//! that are not the vassal's own are left alone, such as those of a daemon attached to uWSGI, or those between its
//! router and its workers.

use crate::app::connections::{ARRIVAL, accepted, group};
use crate::app::master::Master;
use crate::app::uwsgi::{Order, send_order};
use nix::fcntl::readlinkat;
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{MsgFlags, recv};
use nix::unistd::Pid;
use std::ffi::OsString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::time::Duration;
use vassal_sys::clone::{Side, fork_apart, pidfd as open};
use vassal_sys::deadline::Deadline;
use vassal_sys::proc::{Proc, Thread};
use vassal_sys::{SysError, fds, pidfd};

/// The lowest descriptor number for the messenger's own files: above the numbers that listening sockets have in a
/// worker.
const ABOVE: RawFd = 256;
/// How long is waited for workers that are running. They are probably in requests, and have recorded it.
const LIMIT: Duration = Duration::from_millis(50);
/// How long an app may take to read requests that have arrived.
const READ_LIMIT: Duration = Duration::from_millis(200);
/// How long uWSGI's routers may take to get their requests answered. This involves a worker, and takes longer on a busy
/// host.
const PASSED_ON_LIMIT: Duration = Duration::from_millis(500);
/// The time between two checks; accepting a connection takes microseconds.
const PAUSE: Duration = Duration::from_millis(1);

/// A uWSGI, and the names that proc shows for the vassal's listening sockets.
#[derive(Debug)]
pub struct DrainTarget<'a> {
    /// Its main process.
    pub master: Master<'a>,
    /// The names of those sockets, from [`names`].
    pub sockets: &'a [OsString],
}

/// Forks a messenger that drains the workers of a uWSGI, waits until none of them can be about to accept a connection,
/// and gives the order. It exits with 0 when the order has been sent.
///
/// # Errors
/// `EAGAIN` at a limit of processes.
pub fn drain_then_order(
    listener: &DrainTarget<'_>,
    emperor: &OwnedFd,
    order: Order,
) -> Result<Pid, SysError> {
    send_messenger(|| {
        let workers = group(listener.master.proc, listener.master.pid);
        match fds::copy_above(emperor, ABOVE) {
            Ok(emperor) => {
                if let Some(proc) = drain_all(listener, &workers) {
                    wait_until_passed_on(Master {
                        proc: &proc,
                        ..listener.master
                    });
                }
                send_order(&emperor, order)
            }
            Err(_) => send_order(emperor, order),
        }
    })
}

/// Forks a messenger that drains another program than uWSGI and sends `signal` to its process group. Many servers,
/// which wait for connections with epoll, close a connection that they have accepted and not read when they are told to
/// end (uvicorn does); so they get time to read what they have accepted. A server that waits in another way cannot be
/// drained, and accepts until it gets the signal.
///
/// # Errors
/// `EAGAIN` at a limit of processes.
pub fn drain_then_signal(listener: &DrainTarget<'_>, signal: Signal) -> Result<Pid, SysError> {
    send_messenger(|| {
        let app = listener.master.pid;
        let processes = group(listener.master.proc, app);
        if let Some(proc) = drain_all(listener, &processes) {
            wait_until_read(&proc, app);
        }
        killpg(app, signal).is_ok()
    })
}

/// Forks a messenger that drains single `workers` and tells them to end when they have answered. They were forked after
/// the master had relayed the order to its workers.
///
/// # Errors
/// `EAGAIN` at a limit of processes.
pub fn drain_then_hang_up(listener: &DrainTarget<'_>, workers: &[Pid]) -> Result<Pid, SysError> {
    send_messenger(|| {
        let open = |pid: &Pid| listener.master.open(*pid).ok().flatten();
        let processes = workers.iter().filter_map(open);
        let processes: Vec<_> = processes
            .filter_map(|process| fds::copy_above(process, ABOVE).ok())
            .collect();
        drain_all(listener, workers);
        let has_heard = |process: &OwnedFd| pidfd::signal(process, Signal::SIGHUP).is_ok();
        processes.iter().filter(|process| has_heard(process)).count() > 0
    })
}

/// Forks a process that does `work`. It exits with 0 if that returns `true`.
fn send_messenger(work: impl FnOnce() -> bool) -> Result<Pid, SysError> {
    match fork_apart()? {
        Side::Parent(messenger) => Ok(messenger),
        Side::Child => std::process::exit(i32::from(!work())),
    }
}

/// Drains `processes`, as far as their descriptors can be copied. Returns a proc whose descriptor number does not
/// collide with the sockets' numbers.
fn drain_all(listener: &DrainTarget<'_>, processes: &[Pid]) -> Option<Proc> {
    let proc = Proc::from(fds::copy_above(listener.master.proc, ABOVE).ok()?);
    let sockets = listener.sockets;
    processes.iter().for_each(|pid| drain(&proc, *pid, sockets));
    wait_until_idle(&proc, processes);
    Some(proc)
}

/// Waits until `app` has read what has arrived on its accepted connections. A request may still be under way when its
/// connection is accepted.
fn wait_until_read(proc: &Proc, app: Pid) {
    let (arrived, deadline) = (Deadline::after(ARRIVAL), Deadline::after(READ_LIMIT));
    while !deadline.is_over() && (!arrived.is_over() || accepted(proc, app).iter().any(has_unread)) {
        std::thread::sleep(PAUSE);
    }
}

/// Waits until uWSGI's routers have no client that waits for an answer. A request that a router has accepted is not in
/// a worker yet, and idle workers end at once; a request that takes longer is in a worker, which answers it.
fn wait_until_passed_on(master: Master<'_>) {
    let deadline = Deadline::after(PASSED_ON_LIMIT);
    while !deadline.is_over() && master.routers_owe() {
        std::thread::sleep(PAUSE);
    }
}

fn has_unread(connection: &OwnedFd) -> bool {
    let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
    recv(connection.as_raw_fd(), &mut [0], flags).is_ok_and(|count| count > 0)
}

/// The names that proc shows for `sockets`, which are this process's own.
pub fn names(proc: &Proc, sockets: &[OwnedFd]) -> Vec<OsString> {
    let name = |socket: &OwnedFd| {
        let path = format!("self/fd/{}", socket.as_raw_fd());
        readlinkat(proc, path.as_str()).ok()
    };
    sockets.iter().filter_map(name).collect()
}

/// What proc shows for a descriptor of a process; for a socket it contains the inode.
fn file(proc: &Proc, pid: Pid, number: RawFd) -> Option<OsString> {
    readlinkat(proc, format!("{pid}/fd/{number}").as_str()).ok()
}

/// Removes `sockets` from a process's epoll instances. Failures are ignored: the order follows anyway.
fn drain(proc: &Proc, pid: Pid, sockets: &[OsString]) {
    let process = open(pid).and_then(|process| fds::copy_above(process, ABOVE));
    let (Ok(process), Ok(numbers)) = (process, proc.descriptors(pid)) else {
        return;
    };
    let is_epoll =
        |number: &RawFd| file(proc, pid, *number).is_some_and(|name| name == "anon_inode:[eventpoll]");
    let is_ours = |number: &RawFd| {
        *number < ABOVE && file(proc, pid, *number).is_some_and(|name| sockets.contains(&name))
    };
    for epoll in numbers.into_iter().filter(is_epoll) {
        for heard in heard_by(proc, pid, epoll).into_iter().filter(is_ours) {
            let copy =
                |number| fds::copy_of(process.as_fd(), number).and_then(|fd| fds::copy_above(&fd, ABOVE));
            let (Ok(epoll), Ok(socket)) = (copy(epoll), copy(heard)) else {
                continue;
            };
            match fds::forget(epoll.as_fd(), socket.as_fd(), heard) {
                // Another messenger may have removed it already.
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// The descriptors that a process has added to its epoll instance `epoll` (proc_pid_fdinfo(5)).
fn heard_by(proc: &Proc, pid: Pid, epoll: RawFd) -> Vec<RawFd> {
    let text = proc.text(&format!("{pid}/fdinfo/{epoll}"));
    let lines = text.iter().flat_map(|text| text.lines());
    let number = |line: &str| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok();
    lines.filter_map(number).collect()
}

/// Waits until each thread has been seen asleep. Between accepting a connection and recording the request a thread does not sleep;
/// so a drained thread that is seen asleep will not accept any more.
fn wait_until_idle(proc: &Proc, processes: &[Pid]) {
    let mut busy: Vec<Thread> = processes.iter().flat_map(|pid| proc.threads(*pid)).collect();
    let deadline = Deadline::after(LIMIT);
    loop {
        busy.retain(|thread| thread.stat(proc).is_some_and(|stat| stat.state == b'R'));
        if busy.is_empty() || deadline.is_over() {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
    use std::net::{TcpListener, TcpStream};

    fn hears(epoll: &Epoll) -> bool {
        epoll
            .wait(&mut [EpollEvent::empty()], EpollTimeout::ZERO)
            .unwrap()
            > 0
    }

    #[test]
    fn a_drained_process_gets_no_connection_and_that_waits_at_the_socket() {
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        for fd in [&listener, &other] {
            epoll.add(fd, EpollEvent::new(EpollFlags::EPOLLIN, 0)).unwrap();
        }
        let connected = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(hears(&epoll));
        let proc = Proc::mounted().unwrap();
        let ours = file(&proc, Pid::this(), listener.as_raw_fd()).unwrap();
        drain(&proc, Pid::this(), &[ours]);
        assert!(!hears(&epoll));
        // A socket that is not the vassal's is still heard.
        let _other = TcpStream::connect(other.local_addr().unwrap()).unwrap();
        assert!(hears(&epoll));
        let (_, from) = listener.accept().unwrap();
        assert_eq!(from, connected.local_addr().unwrap());
    }
}
