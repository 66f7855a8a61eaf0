//! Before an app is told to end, or uWSGI to reload, its workers are drained: they accept no further connection. A worker that
//! has accepted a connection, and does
//! not know yet that it is in a request, ends at once when it is told to end gracefully, and the kernel resets that
//! connection (measured without vassal: one of eighty stops under load). So the listening sockets are taken out of the
//! workers' epoll instances: a client that connects from now on waits at the socket, which outlives the app, for the next one.
//! What has begun is answered as ever, and sockets that are not the vassal's own, such as those of a daemon that uWSGI has
//! attached or between its router and its workers, are heard as ever.

use crate::app::connections::{ARRIVAL, accepted, group};
use crate::app::master::Master;
use crate::app::uwsgi::{Order, say};
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

/// What the messenger itself needs lies above the numbers that listening sockets have in a worker.
const ABOVE: RawFd = 256;
/// How long workers that compute are waited for: most likely they are in requests, and know it.
const LIMIT: Duration = Duration::from_millis(50);
/// How long an app may take to read requests that have come.
const READ_LIMIT: Duration = Duration::from_millis(200);
/// The same of what uWSGI's routers have accepted, which needs a worker to be answered: on a busy host that takes longer.
const PASSED_ON_LIMIT: Duration = Duration::from_millis(500);
/// Between two looks at them: accepting takes microseconds.
const PAUSE: Duration = Duration::from_millis(1);

/// A uWSGI, and the vassal's listening sockets, by the names that proc gives them.
#[derive(Debug)]
pub struct DrainTarget<'a> {
    /// Its main process.
    pub master: Master<'a>,
    /// Those sockets: see [`names`].
    pub sockets: &'a [OsString],
}

/// Sends a process that drains the workers of a uWSGI, waits until none of them can be about to accept, and gives the
/// order. Its exit code is 0 when that has been sent.
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
                say(&emperor, order)
            }
            Err(_) => say(emperor, order),
        }
    })
}

/// The same for another program, whose process group `signal` goes to. A server that waits for connections with epoll, as most do, often
/// closes one that it has accepted and not read when it is told to end (uvicorn does); so it is given the time to read what it has
/// accepted. One that waits in another way accepts until it hears the signal.
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

/// The same for single `workers`, which are told to end when they have answered: they were forked when the master had
/// passed the order on.
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

/// A process that does `work`, and ends with 0 when that says so.
fn send_messenger(work: impl FnOnce() -> bool) -> Result<Pid, SysError> {
    match fork_apart()? {
        Side::Parent(messenger) => Ok(messenger),
        Side::Child => std::process::exit(i32::from(!work())),
    }
}

/// Drains `processes`, as far as their descriptors can be had; proc, under a number that is not in the way.
fn drain_all(listener: &DrainTarget<'_>, processes: &[Pid]) -> Option<Proc> {
    let proc = Proc::from(fds::copy_above(listener.master.proc, ABOVE).ok()?);
    let sockets = listener.sockets;
    processes.iter().for_each(|pid| drain(&proc, *pid, sockets));
    wait_until_idle(&proc, processes);
    Some(proc)
}

/// Waits until `app` has read what its accepted connections have brought. A request is on its way when its connection is accepted.
fn wait_until_read(proc: &Proc, app: Pid) {
    let (arrived, deadline) = (Deadline::after(ARRIVAL), Deadline::after(READ_LIMIT));
    while !deadline.is_over() && (!arrived.is_over() || accepted(proc, app).iter().any(has_unread)) {
        std::thread::sleep(PAUSE);
    }
}

/// Waits until uWSGI's routers have no client that waits for an answer. What they have accepted is no worker's yet, and workers that have
/// nothing to do end at once; what takes longer is in a worker, which answers it.
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

/// The names of `sockets`, which are this process's own.
pub fn names(proc: &Proc, sockets: &[OwnedFd]) -> Vec<OsString> {
    let name = |socket: &OwnedFd| {
        let path = format!("self/fd/{}", socket.as_raw_fd());
        readlinkat(proc, path.as_str()).ok()
    };
    sockets.iter().filter_map(name).collect()
}

/// What a descriptor of a process is, in proc's words, which for a socket hold its inode.
fn file(proc: &Proc, pid: Pid, number: RawFd) -> Option<OsString> {
    readlinkat(proc, format!("{pid}/fd/{number}").as_str()).ok()
}

/// Takes `sockets` out of a process's epoll instances. What cannot be had is left as it is: the order comes a moment
/// later.
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
                // It may have been taken out already.
                Ok(()) | Err(_) => {}
            }
        }
    }
}

/// The descriptors that a process has put into its epoll instance `epoll` (proc_pid_fdinfo(5)).
fn heard_by(proc: &Proc, pid: Pid, epoll: RawFd) -> Vec<RawFd> {
    let text = proc.text(&format!("{pid}/fdinfo/{epoll}"));
    let lines = text.iter().flat_map(|text| text.lines());
    let number = |line: &str| line.strip_prefix("tfd:")?.split_whitespace().next()?.parse().ok();
    lines.filter_map(number).collect()
}

/// A thread between its wait for a connection and the note that it is in a request does not sleep. So one that is seen
/// asleep and drained does not come there any more.
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
    fn a_deaf_process_hears_of_no_connection_and_that_waits_at_the_socket() {
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
