//! The Emperor's sockets: what uWSGI says is read the same in whatever pieces it arrives, byte for byte and in order, and
//! what is pushed arrives whole.
#![no_main]

// The watchdog is a program, and nothing imports it; its reader is compiled here once more.
#[path = "../../../helpers/watchdog/src/emperor_protocol.rs"]
mod emperor_protocol;

use emperor_protocol::{Message, Uwsgi, meaning};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// libFuzzer's alarm may interrupt a read, which then brings nothing; more often in a row than this it does not.
const INTERRUPTIONS: usize = 4;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    pieces: Vec<&'a [u8]>,
    pushed: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let said = input.pieces.concat();
    if said.len() > 4096 || input.pushed.len() > 4096 {
        return;
    }
    let wanted: Vec<Message> = said.iter().copied().map(meaning).collect();
    assert_eq!(heard(&input.pieces, input.pushed), wanted, "in pieces");
    assert_eq!(heard(&[&said], input.pushed), wanted, "at once");
});

/// What the watchdog hears when uWSGI writes these pieces and ends.
fn heard(pieces: &[&[u8]], pushed: &[u8]) -> Vec<Message> {
    let ((emperor, theirs), (config, config_theirs)) = (pair(), pair());
    let (mut theirs, mut config_theirs) = (UnixStream::from(theirs), File::from(config_theirs));
    let mut uwsgi = Uwsgi::new(emperor, config, memory(pushed));
    let mut heard = Vec::new();
    for piece in pieces {
        theirs.write_all(piece).expect("the socket holds it");
        let wanted = heard.len() + piece.len();
        for _ in 0..piece.len() + INTERRUPTIONS {
            if heard.len() < wanted {
                heard.extend(uwsgi.messages());
            }
        }
        assert_eq!(heard.len(), wanted, "what is there to be read is read");
        assert!(
            uwsgi.messages().is_empty() && uwsgi.socket().is_some(),
            "silence is no end"
        );
    }
    if !pushed.is_empty() {
        assert!(uwsgi.push_again().is_ok());
        let mut arrived = vec![0; pushed.len()];
        config_theirs
            .read_exact(&mut arrived)
            .expect("all of it is there");
        assert_eq!(arrived, pushed);
    }
    assert!(uwsgi.stop());
    let mut stop = [1];
    theirs.read_exact(&mut stop).expect("one byte");
    assert_eq!(stop, [2], "EMP-6");
    // Not a close: that takes effect only when nobody else, as a tracer of the kernel, holds the file.
    theirs.shutdown(Shutdown::Both).expect("it is connected");
    for _ in 0..INTERRUPTIONS {
        assert!(uwsgi.messages().is_empty());
    }
    assert!(uwsgi.socket().is_none() && !uwsgi.stop(), "the end is noticed");
    heard
}

fn pair() -> (OwnedFd, OwnedFd) {
    socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )
    .expect("two sockets")
}

fn memory(content: &[u8]) -> OwnedFd {
    let mut file = File::from(memfd_create(c"pushed", MFdFlags::MFD_CLOEXEC).expect("memory"));
    file.write_all(content).expect("memory");
    file.into()
}
