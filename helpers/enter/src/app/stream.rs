//! The app's own stream to journald. What systemd gives this process as standard output and error is one socket; if the app had
//! it, too, a shutdown(2) of the app's would silence the watchdog. So the app gets a second one, of the protocol that systemd's own
//! has (sd_journal_stream_fd(3)): same unit, same identifier, same priorities.

use nix::sys::socket::{
    AddressFamily, MsgFlags, Shutdown, SockFlag, SockType, UnixAddr, connect, send, shutdown, socket,
};
use nix::sys::stat::fstat;
use std::io::{stderr, stdout};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use vassal_config::emperor::name::VassalName;
use vassal_config::unit::directives::Directive;
use vassal_sys::{SysError, fds};
use vassal_systemd::journal::Priority;

/// Where journald takes streams.
const SOCKET: &str = "/run/systemd/journal/stdout";

/// The app's stream, and which of its standard descriptors it is for.
#[derive(Debug)]
pub struct AppStream {
    socket: OwnedFd,
    takes: [bool; 2],
}

impl AppStream {
    /// A new stream, where this process's standard output or error is one to the journal, which `$JOURNAL_STREAM` (systemd.exec(5)) tells.
    /// `None` where neither is, where the unit's `directives` ask for one that cannot be made here, and where journald takes no
    /// stream at once: the app has the helpers' then.
    pub fn open(journal_stream: Option<&str>, vassal: &VassalName, directives: &[Directive]) -> Option<Self> {
        let identifier = identifier(vassal, directives)?;
        let takes = [
            is_named(stdout(), journal_stream),
            is_named(stderr(), journal_stream),
        ];
        if takes == [false; 2] {
            return None;
        }
        let socket = connect_stream(&vassal.unit(), &identifier).ok()?;
        Some(Self { socket, takes })
    }

    /// Becomes the standard output and error of the program that is executed next, as far as those are journald's.
    ///
    /// # Errors
    /// As dup2(2).
    pub fn place(&self) -> Result<(), SysError> {
        let numbers = [1, 2].into_iter().zip(self.takes);
        let mut numbers = numbers.filter_map(|(number, takes)| takes.then_some(number));
        numbers.try_for_each(|number| fds::place_at(&self.socket, number))
    }
}

/// What the lines are told by, as systemd's own stream of the unit has it; nothing where `directives` ask for more than that.
fn identifier(vassal: &VassalName, directives: &[Directive]) -> Option<String> {
    let mut identifier = vassal.identifier();
    for Directive { key, value, .. } in directives
        .iter()
        .filter(|directive| directive.section == "Service")
    {
        match key.as_str() {
            // Its specifiers are systemd's to know.
            "SyslogIdentifier" if value.is_empty() || value.contains('%') => return None,
            "SyslogIdentifier" => identifier.clone_from(value),
            "SyslogFacility" | "SyslogLevel" | "SyslogLevelPrefix" => return None,
            "StandardOutput" | "StandardError" if !matches!(value.as_str(), "journal" | "inherit") => {
                return None;
            }
            _ => {}
        }
    }
    Some(identifier)
}

/// Whether `fd` is what `$JOURNAL_STREAM` names: device and inode, with a colon between them.
fn is_named(fd: impl AsFd, journal_stream: Option<&str>) -> bool {
    let status = fstat(fd.as_fd()).ok();
    let name = status.map(|status| format!("{}:{}", status.st_dev, status.st_ino));
    name.as_deref() == journal_stream && name.is_some()
}

/// Connects without waiting, and says whose stream it is: identifier, unit, priority of a line without one, whether lines have one,
/// and whether they go to syslog, kmsg and the console, too.
fn connect_stream(unit: &str, identifier: &str) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    connect(socket.as_raw_fd(), &UnixAddr::new(SOCKET)?)?;
    shutdown(socket.as_raw_fd(), Shutdown::Read)?;
    let priority = Priority::Info as u8;
    let header = format!("{identifier}\n{unit}\n{priority}\n1\n0\n0\n0\n");
    let text = header.as_bytes();
    match send(socket.as_raw_fd(), text, MsgFlags::MSG_NOSIGNAL)? {
        sent if sent == text.len() => {}
        _ => return Err(nix::errno::Errno::EMSGSIZE),
    }
    blocking(socket.as_fd())?;
    Ok(socket)
}

/// An app's standard output waits for its reader, as systemd's own does.
fn blocking(socket: BorrowedFd<'_>) -> nix::Result<()> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(socket, FcntlArg::F_SETFL(OFlag::empty())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apps_lines_are_told_by_what_the_unit_says() {
        let vassal = VassalName::parse(b"my app").unwrap();
        let cases = [
            (vec![], Some("my app")),
            (
                vec![("RestartRecordryMax", "1G"), ("StandardError", "inherit")],
                Some("my app"),
            ),
            (vec![("SyslogIdentifier", "shop")], Some("shop")),
            (vec![("SyslogIdentifier", "shop-%i")], None),
            (vec![("SyslogIdentifier", "")], None),
            (vec![("SyslogFacility", "local0")], None),
            (vec![("StandardOutput", "journal+console")], None),
        ];
        for (directives, expected) in cases {
            let directive = |(key, value): &(&str, &str)| Directive {
                section: "Service".into(),
                key: (*key).into(),
                value: (*value).into(),
            };
            let all: Vec<_> = directives.iter().map(directive).collect();
            assert_eq!(identifier(&vassal, &all).as_deref(), expected, "{directives:?}");
        }
    }
}
