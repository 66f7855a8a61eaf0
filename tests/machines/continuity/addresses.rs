//! Several sockets of one vassal, IPv6, ports below 1024, a unix socket, `listen`: open over restarts, closed by a stop.

use vassal_tests::{Machine, Suite, seed};

use crate::restarts::assert_graceful;
use crate::setup::client::{Client, Kind, Server, ask, ask_while};
use crate::setup::scene::{UNIT, kill, let_it_prove_itself, on_each_suite, serving, uwsgi, wait_restarted};
use crate::unix_sockets;

/// What a client writes, what the kernel calls it, and the option.
const SOCKETS: [(&str, &str, &str); 6] = [
    ("127.0.0.1:9090", "0.0.0.0:9090", "http-socket = :9090"),
    ("127.0.0.1:80", "127.0.0.1:80", "http-socket = 127.0.0.1:80"),
    ("[::1]:9090", "[::1]:9090", "http-socket = [::1]:9090"),
    ("[::1]:443", "[::1]:443", "http-socket = [::1]:443"),
    (
        "127.0.0.1:9092",
        "127.0.0.1:9092",
        "http11-socket = 127.0.0.1:9092",
    ),
    ("[::1]:9093", "*:9093", "http-socket = [::]:9093"),
];

fn many_sockets(suite: Suite) -> Machine {
    let lines: String = SOCKETS
        .iter()
        .skip(1)
        .map(|(_, _, line)| format!("{line}\n"))
        .collect();
    let machine = serving(suite, &format!("{}{lines}listen = 37\n", seed::ZIP_WATCHED));
    if let Some(missing) = SOCKETS
        .iter()
        .find(|(_, address, _)| !listening(&machine).contains(&(*address).into()))
    {
        panic!(
            "{missing:?} is not open: {:?}\n{}",
            listening(&machine),
            machine.state()
        );
    }
    machine
}

/// The addresses that are listened on.
fn listening(machine: &Machine) -> Vec<String> {
    let lines = machine.must(&["ss", "-Hltn"]);
    lines
        .lines()
        .filter_map(|line| line.split_whitespace().nth(3))
        .map(str::to_owned)
        .collect()
}

fn assert_all_answer(machine: &Machine) {
    for (address, _, line) in SOCKETS {
        let url = format!("http://{address}/live");
        let answer = machine.run(&[
            "curl",
            "--silent",
            "--show-error",
            "--globoff",
            "--max-time",
            "10",
            &url,
        ]);
        assert_eq!(answer.stdout, "app001\n", "{line}: {answer}\n{}", machine.state());
    }
}

/// The inodes of the listening sockets, which a socket keeps as long as it is the same one.
fn inodes(machine: &Machine) -> Vec<String> {
    let lines = machine.must(&["ss", "-Hltne"]);
    let inode = |line: &str| {
        let mut words = line.split_whitespace();
        let address = words.clone().nth(3)?.to_owned();
        Some(format!(
            "{address} {}",
            words.find(|word| word.starts_with("ino:"))?
        ))
    };
    let mut inodes: Vec<_> = lines.lines().filter_map(inode).collect();
    inodes.sort();
    inodes
}

#[test]
fn every_socket_of_a_vassal_answers_and_stays_the_same_one_until_a_stop() {
    on_each_suite(|suite| {
        let machine = many_sockets(suite);
        assert_all_answer(&machine);
        let before = inodes(&machine);
        assert_eq!(before.len(), SOCKETS.len(), "{before:?}");
        let_it_prove_itself();
        kill(&machine, machine.pid_of(UNIT, "fuse-zip"));
        wait_restarted(&machine, 1);
        assert_all_answer(&machine);
        machine.must(&["systemctl", "restart", UNIT]);
        assert_all_answer(&machine);
        kill(&machine, uwsgi(&machine));
        wait_restarted(&machine, 1);
        assert_all_answer(&machine);
        assert_eq!(inodes(&machine), before);
        machine.must(&["systemctl", "stop", UNIT]);
        assert_eq!(listening(&machine), Vec::<String>::new());
        machine.must(&["systemctl", "start", UNIT]);
        assert_all_answer(&machine);
        assert!(inodes(&machine).iter().all(|each| !before.contains(each)));
    });
}

#[test]
fn the_backlog_of_every_socket_is_that_of_listen() {
    on_each_suite(|suite| {
        let machine = many_sockets(suite);
        let backlogs = |machine: &Machine| -> Vec<String> {
            let lines = machine.must(&["ss", "-Hltn"]);
            let backlog = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
            lines.lines().filter_map(backlog).collect()
        };
        assert_eq!(backlogs(&machine), vec!["37"; SOCKETS.len()]);
        machine.must(&["systemctl", "restart", UNIT]);
        assert_eq!(backlogs(&machine), vec!["37"; SOCKETS.len()]);
    });
}

/// One client for each socket of the vassal: those above, and a unix socket that is given away.
fn clients(machine: &Machine) -> Vec<Client> {
    let on = |(address, _, _): (&str, &str, &str)| Client {
        server: Server::Address(address.parse().unwrap()),
        ..Client::LIVE
    };
    let unix = unix_sockets::client(machine);
    SOCKETS.into_iter().map(on).chain([unix]).collect()
}

#[test]
fn a_restart_fails_no_request_on_any_of_seven_sockets_and_a_stop_refuses_all() {
    const RESTARTS: usize = 5;
    on_each_suite(|suite| {
        let machine = unix_sockets::with_directories(suite);
        let tcp: String = SOCKETS
            .iter()
            .skip(1)
            .map(|(_, _, line)| format!("{line}\n"))
            .collect();
        let given_away = "chown-socket = user001:www-data\nchmod-socket = 660\n";
        let text = unix_sockets::text(&format!("{tcp}{given_away}"));
        unix_sockets::start(&machine, &text);
        let clients = clients(&machine);
        let tally = ask_while(&machine, &clients, |round| {
            for number in 1..=RESTARTS {
                round.begin(number);
                machine.must(&["systemctl", "restart", UNIT]);
            }
        });
        println!("{suite}: {RESTARTS} restarts, {} sockets: {tally}", clients.len());
        assert!(tally.answered > RESTARTS * clients.len(), "{suite}: {tally}");
        assert_graceful(&tally);
        machine.must(&["systemctl", "stop", UNIT]);
        for client in clients {
            let refused = ask(&machine, &client);
            assert!(
                matches!(refused, Err((Kind::Refused, _))),
                "{client:?}: {refused:?}"
            );
        }
    });
}
