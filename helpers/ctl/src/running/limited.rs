//! Programs that are asked and may not answer: systemctl(1) waits up to 90 s for a systemd that stands still.

use std::io::{self, Read};
use std::process::{Child, Output};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What `call`, whose outputs are pipes, has said when it has ended; nothing, and it is killed, where that is later than `deadline`.
///
/// # Errors
/// As waitpid(2).
pub fn output(mut call: Child, deadline: Instant) -> io::Result<Option<Output>> {
    let (out, err) = (call.stdout.take(), call.stderr.take());
    let (sender, receiver) = mpsc::channel();
    let reader = thread::spawn(move || {
        // Both at once: a full pipe blocks the program.
        let err = thread::spawn(|| all(err));
        let out = all(out);
        // This fails only where the deadline is over.
        sender.send((out, err.join().unwrap_or_default())).ok();
    });
    let left = deadline.saturating_duration_since(Instant::now());
    let said = receiver.recv_timeout(left.max(Duration::from_millis(1))).ok();
    if said.is_none() {
        // It may just have ended.
        call.kill().ok();
    }
    let status = call.wait()?;
    // Its pipes are closed by now. What reads is a thread of this process, which forks with no other.
    reader.join().ok();
    Ok(said.map(|(stdout, stderr)| Output {
        status,
        stdout,
        stderr,
    }))
}

fn all(pipe: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    // What cannot be read was not said.
    pipe.and_then(|mut pipe| pipe.read_to_end(&mut bytes).ok());
    bytes
}

#[cfg(test)]
mod tests {
    use super::output;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    fn run(script: &str, limit: Duration) -> Option<(bool, Vec<u8>, Vec<u8>)> {
        let mut command = Command::new("sh");
        let command = command.args(["-c", script]).stdin(Stdio::null());
        let call = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = output(call, Instant::now() + limit).unwrap()?;
        Some((said.status.success(), said.stdout, said.stderr))
    }

    #[test]
    fn what_answers_is_heard_and_what_does_not_is_given_up() {
        let long = Duration::from_secs(60);
        let said = run("echo a; echo b >&2; exit 3", long);
        assert_eq!(said, Some((false, b"a\n".to_vec(), b"b\n".to_vec())));
        let much = "head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero";
        let (_, out, err) = run(much, long).unwrap();
        assert_eq!((out.len(), err.len()), (300_000, 300_000));
        let begun = Instant::now();
        assert_eq!(run("exec sleep 60", Duration::from_millis(50)), None);
        assert!(begun.elapsed() < Duration::from_secs(30));
    }
}
