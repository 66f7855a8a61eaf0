//! What a tenant who means harm does to the watchdog's probes, and to the watchdog, with the rights of his user.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The watchdog's name, which its probes have.
const PROBE: &str = "vassal-watchdog";

/// Has another process send a signal to each probe: one of a group of its own, which goes on when the app is stopped.
pub fn probes(signal: &str) -> io::Result<()> {
    let mut tormentor = Command::new(std::env::current_exe()?);
    tormentor.args(["--torment", signal]).process_group(0);
    tormentor.stdin(Stdio::null()).spawn().map(drop)
}

/// Sends a signal to each probe that is born from now on, as soon as it may be sent: a probe is root's for its first few
/// microseconds.
pub fn newborn(signal: &str) -> io::Result<()> {
    let signal: Signal = signal.parse().map_err(io::Error::other)?;
    let last = || {
        let text = fs::read_to_string("/proc/sys/kernel/ns_last_pid")?;
        text.trim().parse::<i32>().map_err(io::Error::other)
    };
    let mut next = last()? + 1;
    loop {
        let process = Pid::from_raw(next);
        match kill(process, None) {
            Err(Errno::ESRCH) => next = next.max(last()?),
            _ => {
                let name = fs::read_to_string(format!("/proc/{next}/comm")).unwrap_or_default();
                if name.trim_end() == PROBE {
                    while kill(process, signal) == Err(Errno::EPERM) {}
                }
                next += 1;
            }
        }
    }
}

/// An orphan, which is the watchdog's child, is stopped and continued without end.
pub fn orphan() -> io::Result<()> {
    let script = "sleep 1000 </dev/null >/dev/null 2>&1 & echo $!";
    let said = Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::null())
        .output()?
        .stdout;
    let orphan = String::from_utf8_lossy(&said)
        .trim()
        .parse()
        .map_err(io::Error::other)?;
    thread::spawn(move || {
        loop {
            for signal in [Signal::SIGSTOP, Signal::SIGCONT] {
                kill(Pid::from_raw(orphan), signal).ok();
            }
        }
    });
    Ok(())
}

/// A directory is renamed, and a link to another one put in its place.
pub fn replace(directory: &str) -> io::Result<()> {
    fs::rename(directory, format!("{directory}.moved"))?;
    std::os::unix::fs::symlink(format!("{directory}.other"), directory)
}
