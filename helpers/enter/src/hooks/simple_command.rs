//! Commands for which a shell would only look up a program and execute it. They are executed without a shell, whose
//! start takes as long as the whole run of a small program.

use crate::environment::{Environment, value};
use crate::failure::Failure;
use crate::hooks::argv::c_string;
use nix::errno::Errno;
use nix::unistd::{AccessFlags, access, execve};
use std::env::current_dir;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;

/// Names that a shell treats itself although there may be programs of that name (POSIX, XCU 1.7 and 2.14), as far as
/// they can be the first word of a simple command.
const SHELLS_OWN: [&[u8]; 34] = [
    b".", b":", b"alias", b"bg", b"cd", b"command", b"echo", b"eval", b"exit", b"export", b"false", b"fc",
    b"fg", b"getopts", b"hash", b"jobs", b"kill", b"local", b"newgrp", b"printf", b"pwd", b"read", b"return",
    b"set", b"shift", b"test", b"time", b"times", b"trap", b"true", b"type", b"ulimit", b"umask", b"wait",
];

/// The arguments for execve(2), and every file that may be the program.
#[derive(Debug)]
pub struct SimpleCommand {
    programs: Vec<CString>,
    words: Vec<CString>,
    variable: CString,
}

impl SimpleCommand {
    /// Parses the command; `None` if it needs a shell in `environment`.
    ///
    /// # Errors
    /// A NUL in the command or in `$PATH`.
    pub fn of(command: &[u8], environment: &Environment) -> Result<Option<Self>, Failure> {
        let words = words(command);
        let Some(program) = words.first() else {
            return Ok(None);
        };
        let programs = if program.contains(&b'/') {
            vec![c_string(program)?]
        } else {
            let Some(path) = value(environment, b"PATH") else {
                // Without `$PATH` a shell uses a search path of its own.
                return Ok(None);
            };
            let directories = path.split(|byte| *byte == b':');
            // A relative directory in `$PATH` depends on the command's directory.
            if !directories.clone().all(|directory| directory.starts_with(b"/")) {
                return Ok(None);
            }
            let full = directories.map(|directory| c_string(&[directory, b"/", *program].concat()));
            full.collect::<Result<_, _>>()?
        };
        Ok(Some(Self {
            programs,
            words: words.into_iter().map(c_string).collect::<Result<_, _>>()?,
            variable: c_string(
                &[b"PWD=", current_dir().unwrap_or_default().as_os_str().as_bytes()].concat(),
            )?,
        }))
    }

    /// Every file that may be the program.
    pub fn programs(&self) -> &[CString] {
        &self.programs
    }

    /// Executes the first of these files that can be executed, with `$PWD` set as a shell sets it (XCU 2.5.3). Returns
    /// if none can: a shell then reports why, or runs the file as its script.
    pub fn execute(&self, environment: &[CString]) {
        let others = environment
            .iter()
            .filter(|variable| !variable.to_bytes().starts_with(b"PWD="));
        let environment: Vec<_> = others.chain([&self.variable]).collect();
        let can_be = |program: &&CString| access(program.as_c_str(), AccessFlags::X_OK).is_ok();
        for program in self.programs.iter().filter(can_be) {
            match execve(program, &self.words, &environment) {
                Ok(never) => match never {},
                // A script without `#!` is run by a shell (XCU 2.9.1).
                Err(Errno::ENOEXEC) => return,
                Err(_) => {}
            }
        }
    }
}

/// The words of a command that consists of a program and plain arguments, perhaps with `exec` before them; empty for
/// any other command.
fn words(command: &[u8]) -> Vec<&[u8]> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b" \t/._-+,:@%=".contains(byte);
    let mut words = command
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|word| !word.is_empty())
        .peekable();
    words.next_if_eq(&b"exec".as_slice());
    let is_program = |word: &&[u8]| !word.contains(&b'=') && !SHELLS_OWN.contains(word);
    match words.peek().is_some_and(is_program) && command.iter().all(is_plain) {
        true => words.collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_command_that_a_shell_would_only_execute_is_plain() {
        const CASES: &[(&str, &[&str])] = &[
            ("/bin/app", &["/bin/app"]),
            (" exec  /bin/app --port=80\t-x ", &["/bin/app", "--port=80", "-x"]),
            ("fuse-zip -r /a.zip /b", &["fuse-zip", "-r", "/a.zip", "/b"]),
            ("/bin/app \u{e9}", &[]),
            ("A=b /bin/app", &[]),
            ("/a=b", &[]),
            ("/bin/app; true", &[]),
            ("/bin/app $HOME", &[]),
            ("/bin/app 'a b'", &[]),
            ("/bin/app ~", &[]),
            ("/bin/app *", &[]),
            ("/bin/app\ntrue", &[]),
            ("/bin/app #", &[]),
            ("umask 077", &[]),
            ("exec kill 1", &[]),
            ("exec", &[]),
            ("", &[]),
        ];
        for (command, expected) in CASES {
            let expected: Vec<&[u8]> = expected.iter().map(|word| word.as_bytes()).collect();
            assert_eq!(words(command.as_bytes()), expected, "{command:?}");
        }
    }

    #[test]
    fn the_program_is_looked_for_where_a_shell_would() {
        // $PATH, the command, the files.
        const CASES: &[(&str, &str, &[&str])] = &[
            ("/bin:/sbin", "app x", &["/bin/app", "/sbin/app"]),
            ("/bin", "exec bin/app", &["bin/app"]),
            ("/bin:", "app", &[]),
            ("/bin:bin", "app", &[]),
        ];
        for (path, command, expected) in CASES {
            let environment = vec![(b"PATH".to_vec(), path.as_bytes().to_vec())];
            let simple = SimpleCommand::of(command.as_bytes(), &environment).unwrap();
            let programs = simple.map(|simple| simple.programs).unwrap_or_default();
            let programs: Vec<_> = programs.iter().map(|program| program.to_str().unwrap()).collect();
            assert_eq!(programs, *expected, "{path:?} {command:?}");
        }
        assert!(SimpleCommand::of(b"app", &Vec::new()).unwrap().is_none());
        assert!(SimpleCommand::of(b"/bin/app", &Vec::new()).unwrap().is_some());
    }
}
