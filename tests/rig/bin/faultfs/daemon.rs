//! The daemon: one thread, one request at a time, as fuse-zip has.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::statvfs::statvfs;

use crate::files::{Backing, File, node, of_node};
use crate::wire::{self, Operation, Request};

/// The least the kernel wants a reader of /dev/fuse to have room for, and what init says of writes.
const LARGEST: usize = 65536 + 8192;

/// Four seconds of upload.
const UPLOAD_PIECES: u32 = 40;
const UPLOAD_PAUSE: Duration = Duration::from_millis(100);

/// What becomes of a request.
enum Outcome {
    Answer(Result<Vec<u8>, i32>),
    Silence,
}

/// Serves the connection at standard input until it ends.
pub fn serve(directory: &str, backing: &str, delay: Duration) -> io::Result<()> {
    let backing = Backing::read(backing)?;
    let device = io::stdin().as_fd().try_clone_to_owned()?;
    let mut device = std::fs::File::from(device);
    let mut message = vec![0; LARGEST];
    loop {
        let length = match device.read(&mut message) {
            Ok(length) => length,
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                // The request was taken back before it was read (fuse(4)).
                Some(Errno::ENOENT | Errno::EINTR | Errno::EAGAIN) => continue,
                // Unmounted, or aborted.
                Some(Errno::ENODEV) => return Ok(()),
                Some(_) | None => return Err(error),
            },
        };
        let Some(request) = Request::parse(&message[..length]) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        if request.operation != Operation::Init {
            std::thread::sleep(delay);
        }
        if let Outcome::Answer(answer) = outcome(&request, &backing, directory) {
            // Nobody waits for it any more: no reason to end.
            drop(device.write(&wire::answer(request.unique, answer)));
        }
    }
}

fn outcome(request: &Request<'_>, backing: &Backing, directory: &str) -> Outcome {
    let file = of_node(request.node);
    let answer = |body: Option<Vec<u8>>| Outcome::Answer(body.ok_or(Errno::ENOENT as i32));
    match (request.operation, file) {
        (Operation::Init, _) => answer(Some(wire::init())),
        (Operation::Lookup, _) => {
            let name = request.body.strip_suffix(&[0]).unwrap_or(request.body);
            let node = node(name).unwrap_or_default();
            answer(of_node(node).map(|file| wire::entry(node, file, backing.bytes(file).len())))
        }
        (Operation::Attributes, _) => {
            answer(file.map(|file| wire::attributes(request.node, file, backing.bytes(file).len())))
        }
        (Operation::Open, Some(File::Open)) | (Operation::LockWaiting, _) => Outcome::Silence,
        (Operation::Open | Operation::OpenDirectory, _) => answer(file.map(wire::opened)),
        (Operation::Read, Some(file)) => read(request, file, backing, directory),
        (Operation::ReadDirectory, _) => answer(Some(wire::directory(request.offset()))),
        (Operation::Statfs, _) => answer(Some(wire::statfs())),
        (Operation::Flush, Some(file)) => answer(close(file).map(|()| Vec::new())),
        (Operation::Done | Operation::Flush, _) => answer(Some(Vec::new())),
        (Operation::Unanswered, _) => Outcome::Silence,
        (Operation::Other | Operation::Read, _) => Outcome::Answer(Err(Errno::ENOSYS as i32)),
    }
}

/// What a close does, as far as it ends.
fn close(file: File) -> Option<()> {
    match file {
        File::Upload => upload().ok(),
        File::Stuck => loop {
            std::thread::park();
        },
        File::Turning => loop {
            std::hint::spin_loop();
        },
        _ => Some(()),
    }
}

/// As to a slow server: some kilobytes of the file in the cache are sent, a pause, and so on.
fn upload() -> io::Result<()> {
    let (mut here, mut there) = UnixStream::pair()?;
    let mut cache = std::fs::File::open("/dev/zero")?;
    let mut piece = [0; 16 << 10];
    for _ in 0..UPLOAD_PIECES {
        cache.read_exact(&mut piece)?;
        here.write_all(&piece)?;
        there.read_exact(&mut piece)?;
        std::thread::sleep(UPLOAD_PAUSE);
    }
    Ok(())
}

fn read(request: &Request<'_>, file: File, backing: &Backing, directory: &str) -> Outcome {
    match file {
        File::Hang | File::Page => return Outcome::Silence,
        File::Backed if backing.is_stopped() => return Outcome::Silence,
        File::Deadlock => loop {
            std::thread::park();
        },
        File::Own => drop(statvfs(directory)),
        File::Exit => std::process::exit(0),
        File::Root
        | File::Ok
        | File::Open
        | File::Lock
        | File::Backed
        | File::Upload
        | File::Stuck
        | File::Turning => {}
    }
    let bytes = backing.bytes(file).get(request.offset()..).unwrap_or_default();
    Outcome::Answer(Ok(bytes[..bytes.len().min(request.size())].to_vec()))
}
