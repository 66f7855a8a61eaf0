//! Requests at a steady rate: one every 10 ms, whatever has become of those before, as from many clients. Each on a connection of its
//! own, or on one of a few that are kept open.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::socket::{MsgFlags, recv};
use vassal_tests::{HttpError, Machine};

use super::client::{Client, Kind, Over, Round, Server, Tally, ask, kind};

/// Between the beginnings of two requests.
const INTERVAL: Duration = Duration::from_millis(10);
/// More than a head of an answer has.
const LONGEST_HEAD: usize = 4096;

/// How the requests get to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connections {
    /// Each on one of its own.
    New,
    /// On this many at most, which are kept open. While none is free there is no request.
    Kept(usize),
}

/// Connections that are kept open.
#[derive(Debug)]
struct Pool {
    free: Vec<TcpStream>,
    /// How many more there may be.
    left: usize,
}

/// Asks at a steady rate while `during` runs. Those requests that wait then are waited for.
pub fn ask_steadily(
    machine: &Machine,
    client: &Client,
    connections: Connections,
    during: impl FnOnce(&Round),
) -> Tally {
    let (over, round) = (AtomicBool::new(false), Round::new());
    let tally = Mutex::new(Tally::default());
    let pool = Mutex::new(Pool {
        free: Vec::new(),
        left: match connections {
            Connections::New => 0,
            Connections::Kept(limit) => limit,
        },
    });
    let request = || {
        let begun = Instant::now();
        let answer = match connections {
            Connections::New => Some(ask(machine, client)),
            Connections::Kept(_) => ask_on_kept(machine, client, &pool),
        };
        if let Some(answer) = answer {
            tally.lock().unwrap().note(answer, begun, &round);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::scope(|requests| {
                let mut next = Instant::now();
                while !over.load(Ordering::SeqCst) {
                    requests.spawn(request);
                    next += INTERVAL;
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
            });
        });
        let _over = Over(&over);
        during(&round);
    });
    tally.into_inner().unwrap()
}

/// One request on a kept connection; nothing when none is free.
fn ask_on_kept(machine: &Machine, client: &Client, pool: &Mutex<Pool>) -> Option<Result<(), (Kind, String)>> {
    let mut connection = match take(pool)? {
        Some(connection) => connection,
        None => match connect(machine, client) {
            Ok(connection) => connection,
            Err(error) => {
                pool.lock().unwrap().left += 1;
                return Some(Err((kind(&error), error.to_string())));
            }
        },
    };
    let answer = exchange(&mut connection, client.path);
    let mut pool = pool.lock().unwrap();
    match answer {
        Ok(answer) if answer.body == client.body.as_bytes() && answer.is_ok => {
            match answer.is_kept {
                true => pool.free.push(connection),
                false => pool.left += 1,
            }
            Some(Ok(()))
        }
        Ok(answer) => {
            pool.left += 1;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            Some(Err((Kind::Wrong, body)))
        }
        Err(error) => {
            pool.left += 1;
            Some(Err((kind(&error), format!("on a kept connection: {error}"))))
        }
    }
}

/// A free connection that the server has not closed, or leave to make one.
fn take(pool: &Mutex<Pool>) -> Option<Option<TcpStream>> {
    let mut pool = pool.lock().unwrap();
    while let Some(connection) = pool.free.pop() {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        if recv(connection.as_raw_fd(), &mut [0], flags) == Err(nix::errno::Errno::EAGAIN) {
            return Some(Some(connection));
        }
        pool.left += 1;
    }
    pool.left = pool.left.checked_sub(1)?;
    Some(None)
}

fn connect(machine: &Machine, client: &Client) -> Result<TcpStream, HttpError> {
    match client.server {
        Server::Port(port) => machine.connect(port),
        Server::Address(_) | Server::Path(_) => unreachable!("kept connections are to a port"),
    }
}

/// An answer of which the connection may be used again.
struct Answer {
    is_ok: bool,
    is_kept: bool,
    body: Vec<u8>,
}

fn exchange(connection: &mut TcpStream, path: &str) -> Result<Answer, HttpError> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: machine\r\n\r\n");
    connection
        .write_all(request.as_bytes())
        .map_err(HttpError::Broken)?;
    let head = head(connection)?;
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let length = field("Content-Length").and_then(|length| length.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| HttpError::Malformed(head.clone()))?];
    match connection.read_exact(&mut body) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Err(HttpError::Empty),
        Err(error) => return Err(HttpError::Broken(error)),
    }
    Ok(Answer {
        is_ok: head.split(' ').nth(1) == Some("200"),
        is_kept: field("Connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")),
        body,
    })
}

/// The head of an answer, byte by byte: what comes after it is the body's.
fn head(connection: &mut TcpStream) -> Result<String, HttpError> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        match connection.read(&mut byte) {
            Ok(1..) => head.extend(byte),
            Ok(0) => return Err(HttpError::Empty),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(HttpError::Broken(error)),
        }
        if head.len() > LONGEST_HEAD {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&head).into_owned())
}
