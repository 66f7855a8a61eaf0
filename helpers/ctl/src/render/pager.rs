//! A pager for what may be longer than the screen, as systemctl has one: `$SYSTEMD_PAGER`, `$PAGER`, less(1).

use crate::arguments::Paging;
use crate::render::output;
use crate::render::rows::Form;
use std::env;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};

/// less: quit when it fits, keep colors, show what is there when it ends.
const LESS: &str = "FRXMK";

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
    let may_page = !paging.no_pager && output::form() != Form::Plain;
    if may_page && page(text, long).is_some() {
        return ExitCode::from(code);
    }
    output::finish(text, code)
}

fn page(text: &str, long: LongLines) -> Option<()> {
    let program = ["SYSTEMD_PAGER", "PAGER"]
        .iter()
        .find_map(|name| env::var(name).ok())
        .unwrap_or_else(|| "less".into());
    if program.is_empty() || program == "cat" {
        return None;
    }
    let mut command = Command::new("sh");
    // Words and quotes of the variable are the shell's matter, as with any other program that has a pager.
    command.args(["-c", &program]).stdin(Stdio::piped());
    if env::var_os("LESS").is_none() {
        let cut = if long == LongLines::Cut { "S" } else { "" };
        command.env("LESS", format!("{LESS}{cut}"));
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
