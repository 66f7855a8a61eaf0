//! Commands in a machine.

use std::fmt;
use std::process::{Command, ExitStatus, Stdio};

use nix::unistd::Pid;

use crate::container::machine::Machine;
use crate::failure::Failure;

/// What runs the words after it as the tenants' user (setpriv(1)).
pub const AS_USER001: [&str; 4] = ["setpriv", "--reuid=user001", "--regid=user001", "--init-groups"];

/// Seconds a command may take: more than any systemd job of the tests, less than a test runner's patience.
const COMMAND_LIMIT: &str = "120";

/// What a command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended; 124 says that it did not end by itself.
    pub status: ExitStatus,
    /// What it wrote.
    pub stdout: String,
    /// What it complained about.
    pub stderr: String,
}

impl Output {
    /// Whether it exited with 0.
    pub fn succeeded(&self) -> bool {
        self.status.success()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output {
            status,
            stdout,
            stderr,
        } = self;
        write!(f, "{status}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

impl Machine {
    /// Runs a command as root in the machine, in all namespaces of its PID 1, with a clean environment and no input.
    ///
    /// # Panics
    ///
    /// When the host cannot start it.
    pub fn run(&self, argv: &[&str]) -> Output {
        self.run_inside(self.leader(), argv)
    }

    /// Runs a command as root in all namespaces of a process of the machine: with a vassal's pid, what the vassal sees.
    ///
    /// # Panics
    ///
    /// When the process is not the machine's, or the host cannot start the command.
    pub fn run_inside(&self, pid: Pid, argv: &[&str]) -> Output {
        self.assert_owns(pid);
        let procs = self.cgroup.for_commands();
        let output = Command::new("sh")
            // Into the machine's cgroup first, so that whatever the command leaves behind dies with the machine.
            .args(["-c", r#"echo 0 >"$0" && exec "$@""#])
            .arg(procs)
            .args(["timeout", "--kill-after=2", COMMAND_LIMIT])
            .args([
                "nsenter",
                "--all",
                "--root",
                "--wd",
                "--target",
                &pid.to_string(),
                "--",
            ])
            .args(argv)
            .env_clear()
            .env(
                "PATH",
                "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            )
            .env("HOME", "/root")
            .env("LANG", "C.UTF-8")
            .env("SYSTEMD_PAGER", "")
            .env("SYSTEMD_COLORS", "0")
            .stdin(Stdio::null())
            .output();
        match output {
            Ok(output) => Output {
                status: output.status,
                stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
                stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            },
            Err(reason) => self.demand(Err(Failure::Program {
                name: "nsenter".into(),
                reason,
            })),
        }
    }

    /// Runs a shell script as root in the machine.
    ///
    /// # Panics
    ///
    /// When the host cannot start it.
    pub fn sh(&self, script: &str) -> Output {
        self.run(&["sh", "-c", script])
    }

    /// Runs a command that has to succeed; gives what it wrote, without the last newline.
    ///
    /// # Panics
    ///
    /// When it does not, with all it wrote.
    pub fn must(&self, argv: &[&str]) -> String {
        let output = self.run(argv);
        assert!(
            output.succeeded(),
            "{} ({}): {argv:?}: {output}",
            self.name(),
            self.suite()
        );
        output.stdout.trim_end_matches('\n').to_owned()
    }

    /// Runs a shell script that has to succeed, each command of it (`set -e`); gives what it wrote, without the last newline.
    ///
    /// # Panics
    ///
    /// When it does not, with all it wrote.
    pub fn must_sh(&self, script: &str) -> String {
        self.must(&["sh", "-ec", script])
    }
}
