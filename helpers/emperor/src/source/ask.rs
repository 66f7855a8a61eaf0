//! Runs the process that reads the files. It is another process of this program, so that a hanging filesystem, or a
//! file that exhausts the memory, costs only that process.

use super::answer::{Answer, Cache};
use super::scan;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// The program's name as `argv[0]`: one executable may contain several programs.
pub const NAME: &str = "vassal-emperor";
/// The argument that makes this program the reading process.
pub const ARGUMENT: &str = "--scan";
/// This program, even if the package has been upgraded meanwhile.
const OURSELVES: &str = "/proc/self/exe";
/// How long it may take. It has shorter limits of its own for each step.
const LIMIT: Duration = Duration::from_secs(60);
/// The most that is read of an answer: enough for a hundred thousand vassals.
const LARGEST: usize = 256 << 20;

/// Reads the files that have changed since `cache`.
///
/// # Errors
/// When the process cannot be started, fails, or does not answer in time.
pub fn ask(cache: &Cache) -> io::Result<Answer> {
    let mut child = Command::new(OURSELVES)
        .arg0(NAME)
        .arg(ARGUMENT)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let answer = exchange(&mut child, cache);
    if answer.is_err() {
        child.kill()?;
    }
    let ended = child.wait()?;
    match answer? {
        answer if ended.success() => Ok(answer),
        _ => Err(io::Error::other(format!(
            "the process that reads the files: {ended}"
        ))),
    }
}

fn exchange(child: &mut Child, cache: &Cache) -> io::Result<Answer> {
    // It reads all its input before it does anything that could hang.
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&cache.pack())?;
    }
    let bytes = match child.stdout.take() {
        Some(output) => read_answer(output, Instant::now() + LIMIT)?,
        None => Vec::new(),
    };
    Answer::unpack(&bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn read_answer(mut output: ChildStdout, end: Instant) -> io::Result<Vec<u8>> {
    let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 << 10]);
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(output.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Err(nix::errno::Errno::EINTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        match output.read(&mut chunk)? {
            0 => return Ok(bytes),
            length if bytes.len() + length <= LARGEST => bytes.extend_from_slice(&chunk[..length]),
            _ => return Err(io::ErrorKind::FileTooLarge.into()),
        }
    }
}

/// The work of that process.
///
/// # Errors
/// When a pipe is broken, because the caller has ended.
pub fn answer(generated: &Path) -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let answer = scan::scan(Path::new("/"), generated, &Cache::unpack(&input));
    io::stdout().write_all(&answer.pack())
}
