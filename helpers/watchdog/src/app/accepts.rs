//! Whether an app accepts connections that does not say so itself.

use nix::errno::Errno;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use vassal_sys::signals;

/// Connects to `address` (`IP:PORT` or a path), in a process that may be lost; its exit code: 0, or the errno.
pub fn connect(address: &str) -> i32 {
    match connect_to(address) {
        Ok(()) => 0,
        Err(errno) => errno as i32,
    }
}

fn connect_to(address: &str) -> nix::Result<()> {
    signals::reset().map_err(|error| error.errno)?;
    let connected = match address.parse::<SocketAddr>() {
        Ok(address) => TcpStream::connect(address).map(drop),
        Err(_) => UnixStream::connect(address).map(drop),
    };
    connected.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32)))
}
