//! The app: an HTTP server whose requests each have a thread, so that one that hangs keeps no other waiting.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use nix::fcntl::{Flock, FlockArg};

use crate::torment;

/// Answers `/`, `/read?PATH` (the file's bytes), `/close?PATH` (opens and closes it), `/lock?PATH` (waits for its lock); and
/// attacks the watchdog's probes for
/// `/kill`, `/stop`, `/orphan` and `/replace?DIRECTORY` ([`torment`]).
pub fn serve(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    for stream in listener.incoming() {
        let stream = stream?;
        // A client that has gone away is no reason to end.
        std::thread::spawn(move || drop(answer(stream)));
    }
    Ok(())
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut line = String::new();
    BufReader::new(&stream).read_line(&mut line)?;
    let path = line.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match content(path) {
        Ok(body) => ("200 OK", body),
        Err(error) => ("500 Internal Server Error", error.to_string().into_bytes()),
    };
    let head = format!("HTTP/1.0 {status}\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.into_bytes(), body].concat())
}

fn content(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match path {
        "/kill" => torment::probes("SIGKILL")?,
        "/stop" => torment::probes("SIGSTOP")?,
        "/orphan" => torment::orphan()?,
        _ => {}
    }
    match path.split_once('?') {
        Some(("/replace", directory)) => torment::replace(directory)?,
        Some(("/read", file)) => {
            File::open(file)?.read_to_end(&mut bytes)?;
        }
        Some(("/close", file)) => drop(File::open(file)?),
        Some(("/lock", file)) => {
            Flock::lock(File::open(file)?, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        }
        Some(_) | None => bytes.extend(b"ok\n"),
    }
    Ok(bytes)
}
