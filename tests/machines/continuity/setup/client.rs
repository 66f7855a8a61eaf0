//! Clients: one request after the other, each on a connection of its own, and a count of what came of them.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use vassal_tests::{HttpError, Machine};

/// Between the beginnings of two requests of one client.
const INTERVAL: Duration = Duration::from_millis(10);
/// How long an answer may take: [`Machine::http`]'s limit, for unix sockets.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How many failures a report shows.
const SHOWN: usize = 20;

/// What a client asks for, again and again.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where.
    pub server: Server,
    /// The path and the query.
    pub path: &'static str,
    /// The body of the only right answer.
    pub body: &'static str,
}

/// Where a server is.
#[derive(Clone, Debug)]
pub enum Server {
    /// On the machine's loopback.
    Port(u16),
    /// On any address of the machine's.
    Address(SocketAddr),
    /// On a unix socket, by a path of the host.
    Path(PathBuf),
}

impl Client {
    /// Reads through the mount, each time.
    pub const LIVE: Client = Client {
        server: Server::Port(9090),
        path: "/live",
        body: "app001\n",
    };
    /// Is inside the app for most of its time.
    pub const SLOW: Client = Client {
        server: Server::Port(9090),
        path: "/sleep?0.1",
        body: "slept 0.1\n",
    };
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nobody listens.
    Refused,
    /// The connection was reset.
    Reset,
    /// It was closed without an answer, or within it.
    Closed,
    /// Another answer than the right one.
    Wrong,
    /// No answer in time.
    TimedOut,
    /// Something else.
    Other,
}

/// A request that failed.
#[derive(Debug)]
pub struct Failed {
    /// How.
    pub kind: Kind,
    /// What the client saw.
    pub seen: String,
    /// In which round.
    pub round: usize,
    /// How long after that began.
    pub after: Duration,
}

/// What came of all requests.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many were right.
    pub answered: usize,
    /// Those that were not.
    pub failed: Vec<Failed>,
    /// The longest time to a right answer.
    pub slowest: Duration,
}

impl Tally {
    /// How many failed like that.
    pub fn count(&self, kind: Kind) -> usize {
        self.failed.iter().filter(|failed| failed.kind == kind).count()
    }

    /// The most failures of one round.
    pub fn most_in_a_round(&self) -> usize {
        self.rounds().into_values().max().unwrap_or(0)
    }

    /// The failures of each round that has any.
    pub fn rounds(&self) -> BTreeMap<usize, usize> {
        let mut rounds = BTreeMap::new();
        for failed in &self.failed {
            *rounds.entry(failed.round).or_default() += 1;
        }
        rounds
    }

    /// Counts the answer to a request that was begun then.
    pub fn note(&mut self, answer: Result<(), (Kind, String)>, begun: Instant, round: &Round) {
        match answer {
            Ok(()) => {
                self.answered += 1;
                self.slowest = self.slowest.max(begun.elapsed());
            }
            Err((kind, seen)) => self.failed.push(round.note(kind, seen)),
        }
    }

    /// Adds what came of others.
    pub fn add(&mut self, other: Tally) {
        self.answered += other.answered;
        self.failed.extend(other.failed);
        self.slowest = self.slowest.max(other.slowest);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answered, the slowest after {:?}",
            self.answered, self.slowest
        )?;
        let kinds = [
            Kind::Refused,
            Kind::Reset,
            Kind::Closed,
            Kind::Wrong,
            Kind::TimedOut,
            Kind::Other,
        ];
        for kind in kinds {
            write!(f, "; {kind:?} {}", self.count(kind))?;
        }
        for Failed {
            kind,
            seen,
            round,
            after,
        } in self.failed.iter().take(SHOWN)
        {
            write!(
                f,
                "\n  round {round} after {after:?}: {kind:?}: {}",
                seen.trim_end()
            )?;
        }
        Ok(())
    }
}

/// Which round it is, and since when, for the clients' notes.
#[derive(Debug)]
pub struct Round(Mutex<(usize, Instant)>);

impl Round {
    /// None has begun.
    pub fn new() -> Round {
        Round(Mutex::new((0, Instant::now())))
    }

    /// A round begins.
    pub fn begin(&self, round: usize) {
        *self.0.lock().unwrap() = (round, Instant::now());
    }

    fn note(&self, kind: Kind, seen: String) -> Failed {
        let (round, since) = *self.0.lock().unwrap();
        let after = since.elapsed();
        Failed {
            kind,
            seen,
            round,
            after,
        }
    }
}

/// Ends the clients when it is dropped: a panic must not leave them running.
pub struct Over<'a>(pub &'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Lets the clients ask while `during` runs.
pub fn ask_while(machine: &Machine, clients: &[Client], during: impl FnOnce(&Round)) -> Tally {
    let (over, round) = (AtomicBool::new(false), Round::new());
    std::thread::scope(|scope| {
        let asking: Vec<_> = clients
            .iter()
            .map(|client| scope.spawn(|| ask_until(machine, client, &over, &round)))
            .collect();
        {
            let _over = Over(&over);
            during(&round);
        }
        let mut sum = Tally::default();
        for client in asking {
            sum.add(client.join().unwrap());
        }
        sum
    })
}

fn ask_until(machine: &Machine, client: &Client, over: &AtomicBool, round: &Round) -> Tally {
    let mut tally = Tally::default();
    while !over.load(Ordering::SeqCst) {
        let begun = Instant::now();
        tally.note(ask(machine, client), begun, round);
        std::thread::sleep(INTERVAL.saturating_sub(begun.elapsed()));
    }
    tally
}

/// One request.
///
/// # Errors
///
/// Any but the right answer, with what was seen.
pub fn ask(machine: &Machine, client: &Client) -> Result<(), (Kind, String)> {
    let answer = match &client.server {
        Server::Port(port) => machine.http(*port, client.path),
        Server::Address(address) => machine.http_at(*address, client.path),
        Server::Path(path) => ask_unix(path, client.path),
    };
    match answer {
        Ok((200, body)) if body == client.body.as_bytes() => Ok(()),
        // An answer that is cut off has less than its head promises.
        Ok((200, body)) if client.body.as_bytes().starts_with(&body) => {
            Err((Kind::Closed, format!("only {body:?}")))
        }
        Ok((status, body)) => {
            let seen = format!("{status} {}", String::from_utf8_lossy(&body));
            Err((Kind::Wrong, seen))
        }
        Err(error) => Err((kind(&error), error.to_string())),
    }
}

/// How a request failed that ended so.
pub fn kind(error: &HttpError) -> Kind {
    match error {
        HttpError::Connect(Errno::ECONNREFUSED | Errno::ENOENT) => Kind::Refused,
        HttpError::Connect(Errno::ECONNRESET) => Kind::Reset,
        HttpError::Connect(Errno::ETIMEDOUT | Errno::EINPROGRESS | Errno::EAGAIN) => Kind::TimedOut,
        HttpError::Connect(_) => Kind::Other,
        HttpError::Broken(error) => match error.kind() {
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Kind::Reset,
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Kind::TimedOut,
            _ => Kind::Other,
        },
        HttpError::Empty => Kind::Closed,
        HttpError::Malformed(_) => Kind::Wrong,
    }
}

fn ask_unix(socket: &PathBuf, path: &str) -> Result<(u16, Vec<u8>), HttpError> {
    let connected = UnixStream::connect(socket);
    let mut stream = connected
        .map_err(|error| HttpError::Connect(Errno::from_raw(error.raw_os_error().unwrap_or_default())))?;
    let limit = Some(ANSWER_LIMIT);
    let limited = stream
        .set_read_timeout(limit)
        .and_then(|()| stream.set_write_timeout(limit));
    let request = format!("GET {path} HTTP/1.0\r\nHost: machine\r\n\r\n");
    let mut answer = Vec::new();
    limited
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.read_to_end(&mut answer))
        .map_err(HttpError::Broken)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.is_empty() {
        return Err(HttpError::Empty);
    }
    let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.as_bytes().to_vec()))
    });
    parsed.ok_or(HttpError::Malformed(answer))
}
