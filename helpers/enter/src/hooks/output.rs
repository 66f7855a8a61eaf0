//! The output of the hooks: one pipe for all of them. While they run it is read here, relayed to the journal, and
//! searched for the last words of a failed command. If a background process still has the pipe open in the end, the
//! watchdog gets the read end and continues to relay.

use crate::hooks::remedy::is_known_fault;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, read};
use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use vassal_escape::{printable, shortened};
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_systemd::journal::relay;

/// The most of a command's last words that a message repeats.
const WORDS_LIMIT: usize = 300;
const CHUNK: usize = 4096;
/// In how many of a command's last lines the reason is looked for.
const LINES: usize = 10;
/// How many chunks are relayed at a time: a full pipe. A command may write faster than this process reads.
const CHUNKS: usize = 16;

/// The pipe, and the last lines that were read from it.
#[derive(Debug)]
pub struct HookOutput {
    reader: OwnedFd,
    writer: OwnedFd,
    last_lines: VecDeque<Vec<u8>>,
    unfinished: Vec<u8>,
}

impl HookOutput {
    /// Makes the pipe. Both ends are close-on-exec, the read end is non-blocking.
    ///
    /// # Errors
    /// `EMFILE`.
    pub fn new() -> Result<Self, SysError> {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).context(|| "make the hooks' log")?;
        fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).context(|| "make the hooks' log")?;
        Ok(Self {
            reader,
            writer,
            last_lines: VecDeque::new(),
            unfinished: Vec::new(),
        })
    }

    /// The read end, to wait for.
    pub fn reader(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }

    /// The write end, for a command's standard output and error.
    pub fn writer(&self) -> BorrowedFd<'_> {
        self.writer.as_fd()
    }

    /// Relays what is in the pipe, at most one full pipe, without waiting.
    pub fn relay(&mut self) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            let Ok(length @ 1..) = read(&self.reader, &mut chunk) else {
                return;
            };
            self.keep(&chunk[..length]);
            relay(&chunk[..length]);
        }
    }

    /// Forgets the lines of earlier commands.
    pub fn forget(&mut self) {
        self.last_lines.clear();
        self.unfinished.clear();
    }

    /// The line of the last command that tells why it failed, printable: the last line that names a known fault,
    /// because programs often report consequences after it; otherwise the last line. `None` if there was no output.
    pub fn last_words(&mut self) -> Option<String> {
        self.relay();
        let unfinished = Some(&self.unfinished).filter(|line| !line.is_empty());
        let lines = unfinished.into_iter().chain(self.last_lines.iter().rev());
        let words: Vec<String> = lines.map(|line| printable(line.trim_ascii())).collect();
        let reason = words.iter().find(|line| is_known_fault(line)).or(words.first())?;
        Some(shortened(reason, WORDS_LIMIT))
    }

    /// The read end, if another process still has the write end open. Closes this process's write end.
    pub fn into_survivor(self) -> Option<OwnedFd> {
        drop(self.writer);
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            match read(&self.reader, &mut chunk) {
                Ok(0) => return None,
                Ok(length) => relay(&chunk[..length]),
                Err(_) => break,
            }
        }
        Some(self.reader)
    }

    fn keep(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let room = CHUNK.saturating_sub(self.unfinished.len());
            self.unfinished.extend_from_slice(&line[..line.len().min(room)]);
            if line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.unfinished);
                if !line.trim_ascii().is_empty() {
                    if self.last_lines.len() == LINES {
                        self.last_lines.pop_front();
                    }
                    self.last_lines.push_back(line);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_something_is_kept() {
        let mut log = HookOutput::new().unwrap();
        log.keep(b"first\nsecond: \x07 denied\n\n  \n");
        assert_eq!(log.last_words().as_deref(), Some("second: \\x07 denied"));
        log.keep(b"half");
        assert_eq!(log.last_words().as_deref(), Some("half"));
        log.forget();
        assert_eq!(log.last_words(), None);
    }

    #[test]
    fn a_reason_that_is_not_the_last_line_is_found() {
        let mut log = HookOutput::new().unwrap();
        log.keep(
            b"fusermount3: option allow_other only allowed if 'user_allow_other' is set in /etc/fuse.conf\n",
        );
        log.keep(b"fuse: failed to mount\nfuse-zip: exiting\n");
        assert!(log.last_words().unwrap().contains("user_allow_other"));
        log.keep(&b"more\n".repeat(LINES));
        assert_eq!(log.last_words().as_deref(), Some("more"));
    }

    #[test]
    fn a_command_that_never_stops_writing_holds_nothing_up() {
        let mut log = HookOutput::new().unwrap();
        let written = log.writer().try_clone_to_owned().unwrap();
        let talker =
            std::thread::spawn(move || while nix::unistd::write(&written, &[b'\n'; 4096]).is_ok() {});
        for _ in 0..100 {
            log.relay();
        }
        assert!(log.into_survivor().is_some());
        talker.join().unwrap();
    }

    #[test]
    fn only_a_pipe_that_a_process_holds_survives() {
        let log = HookOutput::new().unwrap();
        let held = log.writer().try_clone_to_owned().unwrap();
        assert!(log.into_survivor().is_some());
        drop(held);
        assert!(HookOutput::new().unwrap().into_survivor().is_none());
    }
}
