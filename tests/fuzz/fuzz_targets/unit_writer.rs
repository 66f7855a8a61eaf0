//! The drop-in of a vassal: whatever its name, its path and its file, the unit has the two sections and the expected
//! directives, and no other line.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use std::time::Duration;
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::name::VassalName;
use vassal_config::unit::directives::directives;
use vassal_config::vassal::address::{Address, OnDemandSocket, listen_stream};
use vassal_escape::unit_name::unescape;
use vassal_fuzz::judge;
use vassal_generator::drop_in::{Common, DropIn, StopHook, slice};
use vassal_state::restart_record::runtime_directory;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: &'a [u8],
    file: &'a [u8],
    stop_hook: Option<&'a [u8]>,
    stop_limit: Option<u16>,
    socket: Option<&'a [u8]>,
    text: &'a [u8],
}

fuzz_target!(|input: Input<'_>| {
    let Ok(name) = VassalName::parse(input.name) else {
        return;
    };
    check_name(&name);
    let text = [b"[Service]\n", input.text].concat();
    let (taken, refused) = directives(&text, input.file);
    judge::findings(&refused);
    // Once as the generator writes it, and once with texts that were never checked as the problems.
    let raw = vec![String::from_utf8_lossy(input.text).into_owned()];
    let problems = [refused.iter().map(ToString::to_string).collect(), raw];
    let stop_hook = input.stop_hook.map(|program| StopHook {
        program: program.to_vec(),
        user: None,
    });
    let common = Common {
        stop_hook,
        stop_limit: input
            .stop_limit
            .map(|seconds| Duration::from_secs(seconds.into())),
        ..Common::default()
    };
    for problems in problems {
        let drop_in = DropIn {
            name: &name,
            file: input.file,
            common: &common,
            on_demand_socket: input.socket.and_then(socket),
            directives: taken.clone(),
            problems,
        };
        check(&drop_in);
    }
});

/// The unix socket at `path`, if an on-demand vassal may have it.
fn socket(path: &[u8]) -> Option<OnDemandSocket> {
    let path = [b"/", path].concat();
    listen_stream(&path)?;
    Some(OnDemandSocket {
        address: Address::Unix(path),
        origin: Origin::CommandLine,
    })
}

/// A unit's name gives the vassal's name back, and holds nothing that a path or a unit may not.
fn check_name(name: &VassalName) {
    let unit = name.unit();
    let instance = unit
        .strip_prefix("vassal@")
        .and_then(|rest| rest.strip_suffix(".service"));
    let instance = instance.expect("an instance of the template");
    assert_eq!(unescape(instance.as_bytes()), name.bytes());
    assert!(
        instance
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b":_.-@\\".contains(&byte)),
        "{unit}"
    );
    assert!(unit.len() + ".d".len() <= 255, "{unit}");
}

/// The units, read line by line as systemd reads them.
fn check(drop_in: &DropIn<'_>) {
    let text = drop_in.render();
    let mut service = lines(&text.service, drop_in);
    for line in &mut service {
        if let (Some(command), Some(hook)) = (
            line.strip_prefix("ExecStopPost=-/usr/bin/env -C "),
            &drop_in.common.stop_hook,
        ) {
            check_stop(command, &hook.program, drop_in);
            *line = "ExecStopPost".to_owned();
            break;
        }
    }
    assert_eq!(service, wanted_service(drop_in), "{}", text.service);
    let on_demand = drop_in.on_demand_socket.as_ref();
    assert_eq!(text.socket.is_some(), on_demand.is_some());
    if let (Some(text), Some(on_demand)) = (&text.socket, on_demand) {
        check_socket(text, on_demand, drop_in);
    }
}

/// The lines of a unit that systemd does not ignore; of the line that names the file only the key.
fn lines(text: &str, drop_in: &DropIn<'_>) -> Vec<String> {
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
    let mut lines: Vec<String> = text
        .split('\n')
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .collect();
    assert!(
        !lines.iter().any(|line| line.ends_with('\\')),
        "a line goes on in the next: {text}"
    );
    if let Some(line) = lines.get_mut(1) {
        let uri = line.strip_prefix("Documentation=file://");
        assert_eq!(path(uri.expect("the second line names the file")), drop_in.file);
        *line = "Documentation".to_owned();
    }
    lines
}

/// The name, if the unit's own name shows it otherwise.
fn shown(drop_in: &DropIn<'_>) -> Option<String> {
    let shown = drop_in.name.identifier();
    let is_shown = drop_in.name.unit() != format!("vassal@{shown}.service");
    is_shown.then(|| shown.replace('%', "%%"))
}

/// The lines of the service, in order; of those that are escaped only the key.
fn wanted_service(drop_in: &DropIn<'_>) -> Vec<String> {
    let of = |section: &'static str| {
        let of_section = drop_in
            .directives
            .iter()
            .filter(move |each| each.section == section);
        of_section.map(|each| format!("{}={}", each.key, each.value))
    };
    let shown = shown(drop_in);
    let common = drop_in.common;
    let mut wanted = vec!["[Unit]".to_owned(), "Documentation".to_owned()];
    wanted.extend(
        shown
            .iter()
            .map(|name| format!("Description=uWSGI vassal {name}")),
    );
    wanted.extend(of("Unit"));
    wanted.extend([
        "[Service]".to_owned(),
        format!("Slice={}", slice(drop_in.name)),
        format!("RuntimeDirectory={}", runtime_directory(drop_in.name.bytes())),
    ]);
    wanted.extend(shown.iter().map(|name| format!("SyslogIdentifier={name}")));
    wanted.extend(common.stop_hook.iter().map(|_| "ExecStopPost".to_owned()));
    wanted.extend(
        common
            .stop_limit
            .map(|limit| format!("TimeoutStopSec={}s", limit.as_secs())),
    );
    if drop_in.on_demand_socket.is_some() {
        wanted.extend([
            format!("Sockets={}", drop_in.name.socket()),
            "Restart=on-failure".to_owned(),
        ]);
    }
    wanted.extend(of("Service"));
    wanted
}

/// The socket has one address, and the command that checks the path is given that path.
fn check_socket(text: &str, on_demand: &OnDemandSocket, drop_in: &DropIn<'_>) {
    let Address::Unix(path) = &on_demand.address else {
        unreachable!("the target makes unix sockets only")
    };
    let mut lines = lines(text, drop_in);
    let check = lines.pop().unwrap_or_default();
    let word = check.strip_prefix("ExecStartPre=/usr/lib/vassal/vassal-enter --may-listen ");
    let word = word.expect("the last line checks the path");
    assert_eq!(words(word.as_bytes()), [path.clone()], "{text}");
    let mut wanted = vec!["[Unit]".to_owned(), "Documentation".to_owned()];
    wanted.extend(
        shown(drop_in)
            .iter()
            .map(|name| format!("Description=Connections to uWSGI vassal {name}")),
    );
    let stream = String::from_utf8_lossy(path).replace('%', "%%");
    wanted.extend(["[Socket]".to_owned(), format!("ListenStream={stream}")]);
    assert_eq!(lines, wanted, "{text}");
}

/// The words of the stop hook are those that were meant: directory, variable, program, file.
fn check_stop(command: &str, program: &[u8], drop_in: &DropIn<'_>) {
    let end = drop_in.file.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let directory = &drop_in.file[..end];
    let variable = [b"UWSGI_VASSALS_DIR=", directory].concat();
    let meant = [directory, &variable, program, &drop_in.name.file()].map(<[u8]>::to_vec);
    assert_eq!(words(command.as_bytes()), meant, "{command}");
}

/// Quoted words with C escapes, `%%` and `$$` (systemd.service(5), "COMMAND LINES"; systemd.syntax(7), "QUOTING").
fn words(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut words = Vec::new();
    while let [b'"', tail @ ..] = rest {
        let mut word = Vec::new();
        rest = tail;
        loop {
            let (byte, after) = match rest {
                [b'"', after @ ..] => {
                    rest = after.strip_prefix(b" ").unwrap_or(after);
                    break;
                }
                [b'\\', b'x', a, b, after @ ..] => (hexadecimal(*a, *b), after),
                [b'\\', byte @ (b'"' | b'\\'), after @ ..] => (*byte, after),
                [b'%', b'%', after @ ..] => (b'%', after),
                [b'$', b'$', after @ ..] => (b'$', after),
                [byte, after @ ..] if !b"\\%$".contains(byte) => (*byte, after),
                _ => panic!("no word: {}", rest.escape_ascii()),
            };
            word.push(byte);
            rest = after;
        }
        words.push(word);
    }
    assert!(rest.is_empty(), "{}", rest.escape_ascii());
    words
}

fn hexadecimal(a: u8, b: u8) -> u8 {
    let digits = [a, b];
    let digits = std::str::from_utf8(&digits).expect("two digits");
    u8::from_str_radix(digits, 16).expect("two hexadecimal digits")
}

/// The path in a URI after systemd has made one `%` of two.
fn path(uri: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = uri.as_bytes();
    while let [first, tail @ ..] = rest {
        if let (b'%', [b'%', a, b, after @ ..]) = (first, tail) {
            out.push(hexadecimal(*a, *b));
            rest = after;
        } else {
            assert!(first.is_ascii_alphanumeric() || b"/-._~".contains(first), "{uri}");
            out.push(*first);
            rest = tail;
        }
    }
    out
}
