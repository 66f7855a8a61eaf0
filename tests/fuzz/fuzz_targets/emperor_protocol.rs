//! The Emperor's sockets: what uWSGI says is read in whatever pieces it arrives, each message of a piece once and in order, and
//! what is pushed arrives whole.
#![no_main]

// The watchdog is a program, and nothing imports it; its reader is compiled here once more.
#[path = "../../../helpers/watchdog/src/app/uwsgi.rs"]
#[allow(dead_code, reason = "what the watchdog's loop needs of it is not used here")]
mod uwsgi;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use std::fs::File;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use uwsgi::{Message, Order, Uwsgi, meaning, send_order};

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
    for pieces in [&input.pieces[..], &[&said]] {
        let heard = heard(pieces, input.pushed);
        let wanted = pieces.iter().map(|piece| once(piece)).collect::<Vec<_>>();
        assert_eq!(heard, wanted);
    }
});

/// Each message that is in a piece, once.
fn once(piece: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    for message in piece.iter().copied().map(meaning) {
        if !messages.contains(&message) {
            messages.push(message);
        }
    }
    messages
}

/// What the watchdog hears of each of these pieces, which are written one after the other before uWSGI ends.
fn heard(pieces: &[&[u8]], pushed: &[u8]) -> Vec<Vec<Message>> {
    let ((emperor, theirs), (config, config_theirs)) = (pair(), pair());
    let (mut theirs, mut config_theirs) = (UnixStream::from(theirs), File::from(config_theirs));
    let mut uwsgi = Uwsgi::new(emperor, config, memory(pushed));
    let mut heard = Vec::new();
    for piece in pieces {
        theirs.write_all(piece).expect("the socket holds it");
        let mut messages = Vec::new();
        for _ in 0..INTERRUPTIONS {
            if messages.is_empty() && !piece.is_empty() {
                messages = uwsgi.messages();
            }
        }
        heard.push(messages);
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
    let socket = uwsgi.socket().expect("it is open");
    assert!(send_order(socket, Order::Reload) && send_order(socket, Order::Stop));
    let mut orders = [0; 2];
    theirs.read_exact(&mut orders).expect("two bytes");
    assert_eq!(orders, [1, 2], "EMP-6");
    // Not a close: that takes effect only when nobody else, as a tracer of the kernel, holds the file.
    theirs.shutdown(Shutdown::Both).expect("it is connected");
    for _ in 0..INTERRUPTIONS {
        assert!(uwsgi.messages().is_empty());
    }
    assert!(uwsgi.socket().is_none(), "the end is noticed");
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
