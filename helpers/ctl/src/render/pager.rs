//! A pager for what may be longer than the screen, as systemctl has one: `$SYSTEMD_PAGER`, `$PAGER`, less(1). A user whom sudo lets run
//! vassalctl and nothing else is to get no shell of root's by it: his variables do not choose the program, and less runs no other.

use crate::looks::Paging;
use crate::render::output;
use std::env;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// less: quit when it fits, keep colors, show what is there when it ends.
const LESS: &str = "FRXMK";
/// Set by sudo(8), doas(1) and pkexec(1), which run a command for another user.
const LENT: [&str; 3] = ["SUDO_UID", "DOAS_USER", "PKEXEC_UID"];

/// What becomes of lines that are longer than the screen is wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// They are cut off, so that the columns of a table stay columns.
    Cut,
    /// They go on in the next line.
    Fold,
}

/// Shows `text`, on a terminal through a pager if there may be one, and ends with `code`.
pub fn show(text: &str, paging: &Paging, long: LongLines, code: u8) -> ExitCode {
    let may_page = !paging.no_pager && output::is_terminal();
    if may_page && page(text, long).is_some() {
        return ExitCode::from(code);
    }
    output::finish(text, code)
}

fn page(text: &str, long: LongLines) -> Option<()> {
    let is_lent = LENT.iter().any(|name| env::var_os(name).is_some());
    let chosen = ["SYSTEMD_PAGER", "PAGER"]
        .iter()
        .find_map(|name| env::var(name).ok());
    let is_off = |program: &String| program.is_empty() || program == "cat";
    let program = chosen
        .filter(|program| !is_lent || is_off(program))
        .unwrap_or_else(|| "less".into());
    if is_off(&program) {
        return None;
    }
    let mut command = Command::new("sh");
    // Words and quotes of the variable are the shell's matter, as with any other program that has a pager.
    command.args(["-c", &program]).stdin(Stdio::piped());
    if is_lent || env::var_os("LESS").is_none() {
        let cut = if long == LongLines::Cut { "S" } else { "" };
        command.env("LESS", format!("{LESS}{cut}"));
    }
    if is_lent || env::var_os("LESSSECURE").is_none() {
        command.env("LESSSECURE", "1");
    }
    if is_lent {
        // Programs that it would start by itself.
        command
            .env_remove("LESSOPEN")
            .env_remove("LESSCLOSE")
            .env_remove("LESSKEY");
    }
    let has_program = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program.split(' ').next()?])
        .status();
    if !has_program.is_ok_and(|status| status.success()) {
        return None;
    }
    let mut pager = command.spawn().ok()?;
    if let Some(mut input) = pager.stdin.take() {
        // One that was quit early has seen enough.
        input.write_all(text.as_bytes()).ok();
    }
    pager.wait().ok().map(drop)
}
