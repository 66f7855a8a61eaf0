//! A tenant who swaps what lies on the way to his socket for links while root binds it and gives it away: nothing but what
//! is in his own directory may change.

use std::time::Duration;

use vassal_tests::{Machine, Owner, Suite, seed};

use crate::LIMIT;
use crate::setup::scene::{UNIT, drop_in, machine, on_each_suite};

/// How often the socket is bound or taken out of the store while the tenant swaps.
const ROUNDS: usize = 20;
/// From a start to the SIGKILL that makes the next one: somewhere within it.
const SOMEWHERE: Duration = Duration::from_millis(120);

/// Where the socket is to be, in a directory of the tenant's below another one of his.
const PATH: &str = "/srv/tenant/sockets/app.sock";

/// Swaps a name with a link, at once, and back again. Or removes what has that name, and lies in wait to swap what is made
/// there next. Or has the link come and go there.
const SWAP: &str = "\
import ctypes, os, random, sys, time
libc = ctypes.CDLL(None, use_errno=True)
one, link, target, note = sys.argv[1:]
def swap():
    return libc.renameat2(-100, one.encode(), -100, link.encode(), 2) == 0
def wait():
    time.sleep(random.choice([0, 0, 0.0001, 0.001, 0.01]))
def there_and_back():
    if swap():
        wait()
        swap()
def lie_in_wait():
    if os.path.exists(one) and not os.path.isdir(one): os.unlink(one)
    end = time.monotonic() + 0.05
    while time.monotonic() < end:
        if swap():
            wait()
            return swap()
def come_and_go():
    if os.path.lexists(one): return
    os.symlink(target, one)
    wait()
    if os.path.islink(one): os.unlink(one)
count = 0
while True:
    count += 1
    try:
        if os.path.islink(one): swap()
        if not os.path.lexists(link): os.symlink(target, link)
        elif not os.path.islink(link): os.unlink(link)
        else: random.choice([there_and_back, lie_in_wait, come_and_go])()
    except OSError: pass
    wait()
    if count % 20 == 0:
        # Whole or not at all: this process may be ended at any time.
        with open(note + '.new', 'w') as file: file.write(str(count))
        os.rename(note + '.new', note)
";

/// What the tenant swaps with a link, and where that leads.
#[derive(Clone, Copy, Debug)]
struct Swap {
    one: &'static str,
    link: &'static str,
    target: &'static str,
}

const SWAPS: [Swap; 3] = [
    // The socket itself, with a link to one of root's.
    Swap {
        one: PATH,
        link: "/srv/tenant/sockets/link",
        target: "/srv/roots/app.sock",
    },
    // The same, with a link to what is not there yet.
    Swap {
        one: PATH,
        link: "/srv/tenant/sockets/link",
        target: "/srv/roots/absent.sock",
    },
    // Its directory, with a link to one of root's in which there is a socket of that name.
    Swap {
        one: "/srv/tenant/sockets",
        link: "/srv/tenant/link",
        target: "/srv/roots",
    },
];

/// Everything that a tenant may not touch and a link may lead to, with owner and mode; what systemd and the package change
/// by themselves is not in there.
fn roots_files(machine: &Machine) -> String {
    machine.must_sh(
        "find /srv/roots /etc /usr /root /home -xdev -printf '%p %y %i %m %U:%G\\n' | LC_ALL=C sort; \
         find / -xdev '(' -path /proc -o -path /sys -o -path /srv/tenant ')' -prune -o -user user002 -printf '%p %u\\n'; \
         find /run /dev -xdev -user user002 -printf '%p %u\\n'",
    )
}

fn prepare(suite: Suite) -> Machine {
    let machine = machine(suite);
    machine.make_dir("/srv/roots", 0o755, Owner::ROOT);
    machine.must(&[
        "python3",
        "-c",
        "import socket; socket.socket(1).bind('/srv/roots/app.sock')",
    ]);
    machine.write("/usr/local/bin/swap.py", SWAP, 0o755, Owner::ROOT);
    let lines = format!(
        "http-socket = {PATH}\nchown-socket = user002:user003\nchmod-socket = 666\n[vassal]\nstop-timeout = 100ms\n"
    );
    drop_in(&machine, &format!("{}{lines}", seed::ZIP_WATCHED));
    machine
}

/// Starts and kills the vassal while the tenant swaps; how often its socket was given away in spite of him, and how often not.
fn race(machine: &Machine, swap: Swap) -> (usize, usize) {
    let Swap { one, link, target } = swap;
    machine.must_sh("rm -rf /srv/tenant");
    machine.make_dir("/srv/tenant", 0o755, Owner::USER001);
    machine.make_dir("/srv/tenant/sockets", 0o755, Owner::USER001);
    let swapper = [
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=swapper",
        "--uid=user001",
    ];
    let program = [
        "python3",
        "/usr/local/bin/swap.py",
        one,
        link,
        target,
        "/srv/tenant/count",
    ];
    machine.must(&[&swapper[..], &program].concat());
    let mut ends = (0, 0);
    for round in 0..ROUNDS {
        match machine.run(&["systemctl", "start", UNIT]).succeeded() {
            true => ends.0 += 1,
            false => ends.1 += 1,
        }
        // Once more, with the socket out of the store, unless it has failed.
        machine.run(&["systemctl", "kill", "--signal=KILL", UNIT]);
        std::thread::sleep(SOMEWHERE * u32::try_from(round % 4).unwrap() / 3);
        machine.must(&["systemctl", "stop", UNIT]);
    }
    machine.must(&["systemctl", "stop", "swapper"]);
    ends
}

#[test]
fn a_tenant_who_swaps_links_while_root_gives_his_socket_away_gets_nothing_else() {
    on_each_suite(|suite| {
        let machine = prepare(suite);
        let mut all = (0, 0);
        for swap in SWAPS {
            let before = roots_files(&machine);
            let (given, refused) = race(&machine, swap);
            let swaps = machine.read_text("/srv/tenant/count");
            println!("{suite}: {swap:?}: {swaps} swaps, {given} starts, {refused} refused");
            assert_eq!(roots_files(&machine), before, "{swap:?}\n{}", machine.state());
            assert!(
                swaps.parse::<usize>().unwrap() > ROUNDS,
                "{swap:?}: {swaps}\n{}",
                machine.state()
            );
            all = (all.0 + given, all.1 + refused);
        }
        // The race was one: root met both, a link, and what it had taken the place of.
        assert!(all.0 > 0 && all.1 > 0, "{all:?}\n{}", machine.state());
        machine.must_sh("rm -rf /srv/tenant/*; install -d -o user001 /srv/tenant/sockets");
        machine.must(&["systemctl", "start", UNIT]);
        machine.poll_http(9090, "/live", LIMIT);
    });
}
