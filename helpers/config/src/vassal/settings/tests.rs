use super::*;

fn parse(lines: &[(&str, &str)]) -> Result<Settings, Diagnostic> {
    let entries: Vec<_> = lines
        .iter()
        .map(|(key, value)| {
            Entry::new(
                key.as_bytes().to_vec(),
                Some(value.as_bytes().to_vec()),
                Origin::CommandLine,
            )
        })
        .collect();
    Settings::from_entries(&entries)
}

#[test]
fn times_have_units() {
    let settings = parse(&[
        ("mountpoint-deadline", "1500ms"),
        ("stop-timeout", "2min"),
        ("hook-timeout", "2.5"),
    ]);
    let settings = settings.unwrap();
    assert_eq!(settings.deadline, Some(Duration::from_millis(1500)));
    assert_eq!(settings.interval, None);
    assert_eq!(settings.stop_limit, Duration::from_secs(120));
    assert_eq!(settings.hook_limit, Duration::from_millis(2500));
}

#[test]
fn what_it_does_not_take_is_refused_with_the_reason() {
    const CASES: &[(&str, &str, &str)] = &[
        ("comand", "x", "unknown setting 'comand'"),
        ("stop-timeout", "soon", "is no time"),
        ("stop-timeout", "0", "out of range"),
        ("stop-signal", "WHO", "is no signal"),
        ("ready", "localhost", "is no address"),
        ("command", "", "no command given"),
        ("mountpoint-deadline", "50ms", "at least 0.1 s"),
        ("ready", "http://localhost/", "is no address"),
        (
            "ready",
            "localhost",
            "nor 'started', 'accepting' or a http:// URL",
        ),
        ("health", ":80/up", "is no URL"),
        ("health", "https://:80/up", "is no URL"),
        ("health", "http://localhost/up", "is no address"),
        ("health", "http://:80/a b", "no spaces"),
        (
            "health-interval",
            "5",
            "nothing is asked, as there is no 'health'",
        ),
        ("health-deadline", "10ms", "at least 0.1 s"),
        ("health-failures", "0", "is no number of failures (1 to 100)"),
        ("watchdog", "0.5", "at least 1 s"),
        (
            "watchdog",
            "often",
            "is no time (a number, then ms, s or min), nor 'off'",
        ),
        ("ready", "http://:80 /", "no spaces"),
        ("socket", "localhost:80", "is no address"),
        ("socket", "a b:127.0.0.1:80", "is no address"),
        ("socket", ":0", "is no address"),
        ("socket-mode", "888", "is no mode"),
        ("socket-backlog", "0", "is no number"),
        ("reload", "graceful", "neither 'overlap' nor 'in-place'"),
        ("seccomp", "of", "'of' is neither 'on' nor 'off'"),
        ("seccomp", "", "is neither 'on' nor 'off'"),
    ];
    for (key, value, message) in CASES {
        let error = parse(&[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(message), "{key} = {value}: {error}");
    }
}

#[test]
fn the_filter_is_on_unless_it_is_switched_off() {
    for (lines, is_filtered) in [
        (&[][..], true),
        (&[("seccomp", "On")], true),
        (&[("seccomp", "off")], false),
    ] {
        assert_eq!(parse(lines).unwrap().is_filtered, is_filtered, "{lines:?}");
    }
}

#[test]
fn a_socket_has_a_name_or_none() {
    const CASES: &[(&str, &str, &str)] = &[
        (":80", "listen", "0.0.0.0:80"),
        ("127.0.0.1:80", "listen", "127.0.0.1:80"),
        ("[::1]:80", "listen", "[::1]:80"),
        ("/run/a.sock", "listen", "/run/a.sock"),
        ("web::80", "web", "0.0.0.0:80"),
        ("web:[::]:80", "web", "[::]:80"),
        ("web:/run/a.sock", "web", "/run/a.sock"),
    ];
    for (value, name, address) in CASES {
        let settings = parse(&[("socket", value)]).unwrap();
        let socket = &settings.sockets[0];
        let seen = (socket.name.as_str(), socket.address.to_string());
        assert_eq!(seen, (*name, (*address).to_owned()), "{value}");
    }
}

#[test]
fn a_url_is_an_address_and_a_path() {
    const CASES: &[(&str, &str, &str)] = &[
        ("http://:80/health?a=b", "127.0.0.1:80", "/health?a=b"),
        ("http://[::1]:80", "[::1]:80", "/"),
        ("http://unix:/run/a.sock:/up", "/run/a.sock", "/up"),
    ];
    for (value, address, path) in CASES {
        let expected = Ready::Http((*address).into(), (*path).into());
        assert_eq!(
            parse(&[("ready", value)]).unwrap().ready,
            Some(expected),
            "{value}"
        );
    }
}

#[test]
fn a_port_alone_is_on_this_machine() {
    assert_eq!(
        parse(&[("ready", ":8000")]).unwrap().ready,
        Some(Ready::Connect("127.0.0.1:8000".into()))
    );
    assert_eq!(parse(&[("stop-signal", "SIGINT")]).unwrap().stop_signal, 2);
}
