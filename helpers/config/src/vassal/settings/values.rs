//! Parses the values of settings: numbers, times, signals, addresses. Errors say what is wrong with the value.

use std::time::Duration;
use vassal_escape::printable;

/// The signal that stops an app by default.
pub const SIGTERM: i32 = 15;
/// The shortest deadline: below it, a busy machine looks like a hang.
const SHORTEST_DEADLINE: Duration = Duration::from_millis(100);
/// The largest number of failures; more would take days.
const MOST_FAILURES: u32 = 100;
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Only the words of systemd.syntax(7) are accepted, so that a typing error cannot switch a protection off.
pub fn on_or_off(value: &[u8]) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_slice() {
        b"on" | b"true" | b"yes" | b"1" => Ok(true),
        b"off" | b"false" | b"no" | b"0" => Ok(false),
        _ => Err(format!("'{}' is neither 'on' nor 'off'", printable(value))),
    }
}

/// The time that an answer may take.
pub fn deadline(value: &[u8]) -> Result<Duration, String> {
    match duration(value)? {
        time if time < SHORTEST_DEADLINE => Err("at least 0.1 s: a busy machine needs that".into()),
        time => Ok(time),
    }
}

/// A time: a number, then ms, s or min.
pub fn duration(value: &[u8]) -> Result<Duration, String> {
    let text = String::from_utf8_lossy(value);
    let digits = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let unit = match text[digits..].trim() {
        "" | "s" => 1.0,
        "ms" => 0.001,
        "min" => 60.0,
        _ => return Err(format!("'{text}' is no time (a number, then ms, s or min)")),
    };
    let seconds = text[..digits]
        .parse::<f64>()
        .map_err(|_| format!("'{text}' is no time (a number, then ms, s or min)"))?;
    let time = Duration::try_from_secs_f64(seconds * unit).unwrap_or(LONGEST);
    if time.is_zero() || time > LONGEST {
        return Err(format!("'{text}' is out of range (above 0, at most a day)"));
    }
    Ok(time)
}

/// The number of failures that are a verdict.
pub fn failures(value: &[u8]) -> Result<u32, String> {
    let text = String::from_utf8_lossy(value);
    match text.parse() {
        Ok(count @ 1..=MOST_FAILURES) => Ok(count),
        _ => Err(format!(
            "'{text}' is no number of failures (1 to {MOST_FAILURES})"
        )),
    }
}

/// A signal, by its name or number.
pub fn signal(value: &[u8]) -> Result<i32, String> {
    const NAMES: [(&str, i32); 7] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", SIGTERM),
    ];
    let text = String::from_utf8_lossy(value).to_ascii_uppercase();
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    if let Some((_, number)) = NAMES.into_iter().find(|(known, _)| *known == name) {
        return Ok(number);
    }
    match name.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err(format!(
            "'{text}' is no signal (HUP, INT, QUIT, TERM, USR1, USR2, KILL or a number)"
        )),
    }
}

/// A URL, as address and path.
pub fn url(value: &[u8]) -> Result<(String, String), String> {
    let rest = value.strip_prefix(b"http://").ok_or_else(|| {
        let shown = printable(value);
        format!("'{shown}' is no URL (http://ADDRESS/PATH or http://unix:SOCKET:/PATH)")
    })?;
    http(rest)
}

/// `ADDRESS/PATH`, or for a unix socket `unix:SOCKET:/PATH`.
pub fn http(value: &[u8]) -> Result<(String, String), String> {
    let is_plain = |byte: &u8| byte.is_ascii_graphic();
    if !value.iter().all(is_plain) {
        return Err("a URL holds no spaces and nothing that is not ASCII".into());
    }
    let text = String::from_utf8_lossy(value);
    let (at, path) = match text.strip_prefix("unix:") {
        Some(rest) => rest.split_once(':').unwrap_or((rest, "/")),
        None => match text.find('/') {
            Some(slash) => text.split_at(slash),
            None => (&*text, "/"),
        },
    };
    if !path.starts_with('/') {
        return Err(format!("'{path}' does not begin with '/'"));
    }
    Ok((address(at.as_bytes())?, path.to_owned()))
}

/// A file's mode.
pub fn mode(value: &[u8]) -> Result<u32, String> {
    let text = String::from_utf8_lossy(value);
    match u32::from_str_radix(&text, 8) {
        Ok(mode @ 0..=0o777) => Ok(mode),
        _ => Err(format!("'{text}' is no mode (octal, such as 660)")),
    }
}

/// The length of a queue of connections.
pub fn backlog(value: &[u8]) -> Result<i32, String> {
    let text = String::from_utf8_lossy(value);
    match text.parse() {
        Ok(backlog @ 1..=i32::MAX) => Ok(backlog),
        _ => Err(format!("'{text}' is no number of connections")),
    }
}

/// `:PORT` (this machine), `IP:PORT`, `[IPv6]:PORT` or the path of a unix socket.
pub fn address(value: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(value).into_owned();
    if text.starts_with('/') {
        return Ok(text);
    }
    let full = if text.starts_with(':') {
        format!("127.0.0.1{text}")
    } else {
        text.clone()
    };
    match full.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok(address.to_string()),
        Err(_) => Err(format!(
            "'{text}' is no address (:PORT, IP:PORT, [IPv6]:PORT or a path)"
        )),
    }
}
