//! The drop-in of a vassal: whatever its name, its path and its file, the unit has the two sections and the expected
//! directives, and no other line.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use vassal_config::emperor::name::VassalName;
use vassal_escape::unit_name::unescape;
use vassal_config::unit::directives::directives;
use vassal_fuzz::judge;
use vassal_generator::drop_in::{DropIn, StopHook, slice};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    name: &'a [u8],
    file: &'a [u8],
    stop_hook: Option<&'a [u8]>,
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
    for problems in problems {
        let drop_in = DropIn {
            name: &name,
            file: input.file,
            stop_hook: stop_hook.as_ref(),
            directives: taken.clone(),
            problems,
        };
        check(&drop_in);
    }
});

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

/// The unit, read line by line as systemd reads it.
fn check(drop_in: &DropIn<'_>) {
    let text = drop_in.render();
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
    for line in &mut lines {
        if let Some(command) = line.strip_prefix("ExecStopPost=-/usr/bin/env -C ") {
            if let Some(StopHook { program, user: _ }) = drop_in.stop_hook {
                check_stop(command, program, drop_in);
                *line = "ExecStopPost".to_owned();
                break;
            }
        }
    }
    assert_eq!(lines, wanted(drop_in), "{text}");
}

/// The lines of the unit, in order; of those that are escaped only the name.
fn wanted(drop_in: &DropIn<'_>) -> Vec<String> {
    let of = |section: &'static str| {
        let of_section = drop_in
            .directives
            .iter()
            .filter(move |each| each.section == section);
        of_section.map(|each| format!("{}={}", each.key, each.value))
    };
    // A name that is written otherwise in the unit's name is shown as it is.
    let shown = drop_in.name.identifier();
    let is_shown = drop_in.name.unit() != format!("vassal@{shown}.service");
    let shown = is_shown.then(|| shown.replace('%', "%%"));
    let mut wanted = vec!["[Unit]".to_owned(), "Documentation".to_owned()];
    wanted.extend(
        shown
            .iter()
            .map(|name| format!("Description=uWSGI vassal {name}")),
    );
    wanted.extend(of("Unit"));
    wanted.extend(["[Service]".to_owned(), format!("Slice={}", slice(drop_in.name))]);
    wanted.extend(shown.iter().map(|name| format!("SyslogIdentifier={name}")));
    wanted.extend(drop_in.stop_hook.map(|_| "ExecStopPost".to_owned()));
    wanted.extend(of("Service"));
    wanted
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
