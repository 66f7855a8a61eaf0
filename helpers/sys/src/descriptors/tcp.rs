//! The state of a TCP connection as the kernel reports it (tcp(7), TCP_INFO).

use nix::errno::Errno;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// How many bytes of the kernel's structure are read. Kernels have only ever added fields at its end.
const LENGTH: usize = 208;
/// The offsets of the fields that are read.
const LAST_SENT: usize = 44;
const LAST_RECEIVED: usize = 52;
const RECEIVED: usize = 128;
const SENT: usize = 200;

/// When data was last sent and received on a connection; counted from the connection's beginning where there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traffic {
    /// Whether any data was received.
    pub has_received: bool,
    /// Whether any data was sent.
    pub has_sent: bool,
    /// The time since data was last received, accurate to a few milliseconds.
    pub since_received: Duration,
    /// The time since data was last sent.
    pub since_sent: Duration,
}

/// The traffic of a connection.
///
/// # Errors
/// `EOPNOTSUPP` for anything but a TCP socket; `EPROTO` before Linux 4.19, which does not report it.
pub fn traffic(socket: impl AsFd) -> nix::Result<Traffic> {
    let mut bytes = [0_u8; LENGTH];
    let mut length = LENGTH as libc::socklen_t;
    // SAFETY: at most `length` bytes are written to the array, which has as many. nix has no such option.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    Errno::result(result)?;
    if (length as usize) < LENGTH {
        return Err(Errno::EPROTO);
    }
    let ago = |at: usize| {
        let number = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        Duration::from_millis(u32::from_ne_bytes(number).into())
    };
    let any = |at: usize| bytes[at..at + 8].iter().any(|byte| *byte != 0);
    Ok(Traffic {
        has_received: any(RECEIVED),
        has_sent: any(SENT),
        since_received: ago(LAST_RECEIVED),
        since_sent: ago(LAST_SENT),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn what_has_come_and_gone_is_told() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let flags = |socket: &TcpStream| {
            let seen = traffic(socket).unwrap();
            (seen.has_received, seen.has_sent)
        };
        assert_eq!(flags(&server), (false, false));
        client.write_all(b"a request").unwrap();
        server.read_exact(&mut [0; 9]).unwrap();
        assert_eq!(flags(&server), (true, false));
        std::thread::sleep(Duration::from_millis(30));
        server.write_all(b"an answer").unwrap();
        assert_eq!(flags(&server), (true, true));
        let seen = traffic(&server).unwrap();
        assert!(seen.since_sent < seen.since_received, "{seen:?}");
        let (unix, _) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(traffic(&unix).is_err());
    }
}
