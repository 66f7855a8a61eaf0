//! Shows long output in a pager, as systemctl does: `$SYSTEMD_PAGER`, `$PAGER`, less(1). If sudo permits a user to run
//! only vassalctl as root, the pager must not give him a root shell: his variables do not choose the program, and less
//! is started in its secure mode.

use crate::output_options::Paging;
use crate::render::output;
use std::env;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// Options of less: quit if the text fits on a screen, keep colors, leave the text on the screen.
const LESS: &str = "FRXMK";
/// Variables set by sudo(8), doas(1) and pkexec(1), which run a command for another user.
const LENT: [&str; 3] = ["SUDO_UID", "DOAS_USER", "PKEXEC_UID"];

/// How lines that are longer than the screen is wide are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LongLines {
    /// Cut off, so that the columns of a table stay aligned.
    Cut,
    /// Continued in the next line.
    Fold,
}

/// Prints `text`, through a pager if standard output is a terminal and a pager is permitted. Returns `code`.
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
    // The variable may contain words and quotes, which a shell interprets, as with other programs that use a pager.
    command.args(["-c", &program]).stdin(Stdio::piped());
    if is_lent || env::var_os("LESS").is_none() {
        let cut = if long == LongLines::Cut { "S" } else { "" };
        command.env("LESS", format!("{LESS}{cut}"));
    }
    if is_lent || env::var_os("LESSSECURE").is_none() {
        command.env("LESSSECURE", "1");
    }
    if is_lent {
        // Variables by which less would start other programs.
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
        // An error here means that the user has quit the pager early.
        input.write_all(text.as_bytes()).ok();
    }
    pager.wait().ok().map(drop)
}
