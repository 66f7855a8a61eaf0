//! Running the traced vassals under both: first under uWSGI's Emperor, as a service of the machine, then under vassal.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use vassal_tests::{Boot, Machine, Owner, Suite, installed};

use crate::record::{Record, first_start, parse};
use crate::traced::{End, Traced};

/// Where the tracer and all that it writes is, in every root.
const PLACE: &str = "/srv/trace";
const VASSALS: &str = "/etc/uwsgi/vassals";
const EMPEROR: &str = "/etc/vassal/emperor.ini";

/// For all starts of one emperor's file together; each takes a second or two on an idle host.
const LIMIT: Duration = Duration::from_secs(40);
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

const TRACER: &str = include_str!("at.pl");
const APP: &str = include_str!("app.pl");
const COMMON: &str = include_str!("common.ini");

/// What `vassals-include` names in one of the emperor's files.
const FOR_ALL: &str = "[uwsgi]\nenv = T_FOR_ALL=1\nexec-pre-jail = /srv/trace/at vassals-include pre-jail\n";
/// Listens on a socket that everybody may connect to.
const LISTEN: &str = "#!/usr/bin/perl
use IO::Socket::UNIX;
umask 0;
my $socket = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die;
sleep 1000;
";
const START_HOOK: &str = "#!/bin/sh\nT_ARGUMENTS=\"$# $*\" exec /srv/trace/at start-hook start-hook\n";

/// Directories and files that some vassals speak of.
const SCENE: &str = "
groupadd --gid 30001 editors; groupadd --gid 30002 painters
usermod --append --groups editors,painters user003
cp /etc/passwd /etc/group /ns/precise/etc/
mkdir -p /srv/trace/out /srv/trace/sockets /srv/trace/mnt /srv/trace/mnt2 /ns/precise/srv/trace
mkdir -p /srv/trace/envdir /srv/trace/envdir-early
printf 'dir\\n' > /srv/trace/envdir/T_BOTH
printf 'one\\ntwo \\t\\n' > /srv/trace/envdir/T_LINES
: > /srv/trace/envdir/LANG
printf 'x' > /srv/trace/envdir/.T_HIDDEN
printf 'a\\0b' > /srv/trace/envdir/T_NUL
printf 'early' > /srv/trace/envdir-early/T_EARLY
printf 'early' > /srv/trace/envdir-early/T_BOTH
chmod 1777 /srv/trace/sockets
for kind in pid mnt uts ipc net; do echo $kind $(readlink /proc/1/ns/$kind); done > /srv/trace/namespaces
";

/// Both traces of each vassal: its name, uWSGI's records, vassal's records.
pub fn run(suite: Suite, traced: &[Traced]) -> Vec<(String, Vec<Record>, Vec<Record>)> {
    let machine = scene(suite);
    let noise = parse_mounts(&machine);
    let mut groups: BTreeMap<&str, Vec<&Traced>> = BTreeMap::new();
    for vassal in traced {
        groups.entry(&vassal.emperor).or_default().push(vassal);
    }
    let mut pairs = Vec::new();
    for (emperor, group) in groups {
        machine.write(EMPEROR, emperor, 0o644, Owner::ROOT);
        let theirs = under_uwsgi(&machine, &group, &noise);
        let ours = under_vassal(&machine, &group, &noise);
        for ((vassal, theirs), ours) in group.iter().zip(theirs).zip(ours) {
            pairs.push((vassal.name.clone(), theirs, ours));
        }
    }
    pairs
}

fn scene(suite: Suite) -> Machine {
    let boot = Boot::of(suite).layer(&installed(suite)).copy_on_write();
    let machine = match boot.start() {
        Ok(machine) => machine,
        Err(failure) => panic!("{suite}: {failure}"),
    };
    machine.must_sh(SCENE);
    let write = |name: &str, text: &str, mode| {
        machine.write(format!("{PLACE}/{name}"), text, mode, Owner::ROOT);
    };
    write("at", TRACER, 0o755);
    write("app.pl", APP, 0o644);
    write("common.ini", COMMON, 0o644);
    write("for-all.ini", FOR_ALL, 0o644);
    write("start-hook", START_HOOK, 0o755);
    write("listen", LISTEN, 0o755);
    machine
}

/// The mounts that every process of the machine has.
fn parse_mounts(machine: &Machine) -> Vec<String> {
    machine.must_sh(&format!("mkdir -p {PLACE}/out; : > {PLACE}/out/machine"));
    machine.must(&[&format!("{PLACE}/at"), "machine", "machine"]);
    let records = parse(&machine.read_text(format!("{PLACE}/out/machine")));
    let mounts = &records[0].fields["mounts"];
    mounts.split(' ').map(str::to_owned).collect()
}

/// Puts the vassals of a group where the emperor finds them, with an empty file for the records of each.
fn prepare(machine: &Machine, group: &[&Traced]) {
    machine.must_sh(&format!(
        "rm -f {VASSALS}/*.ini {PLACE}/out/* {PLACE}/sockets/*; rm -rf {PLACE}/made; mkdir -m 1777 {PLACE}/made"
    ));
    for vassal in group {
        let Traced { name, text, .. } = vassal;
        machine.write(format!("{PLACE}/out/{name}"), "", 0o666, Owner::ROOT);
        machine.write(format!("{VASSALS}/{name}.ini"), text, 0o644, Owner::ROOT);
    }
}

fn under_uwsgi(machine: &Machine, group: &[&Traced], noise: &[String]) -> Vec<Vec<Record>> {
    prepare(machine, group);
    machine.must(&[
        "systemd-run",
        "--quiet",
        "--collect",
        "--unit=emperor",
        "--property=KillMode=mixed",
        "uwsgi",
        "--ini",
        EMPEROR,
        "--emperor-freq=1",
        // A vassal that does not stop is killed after so many seconds, and not after the usual 30.
        "--reload-mercy=10",
    ]);
    let open = wait(machine, group, |_| false);
    assert!(
        open.is_empty(),
        "no end under uWSGI: {open:?}\n{}",
        machine.state()
    );
    machine.must(&["systemctl", "stop", "emperor"]);
    collect(machine, group, noise)
}

fn under_vassal(machine: &Machine, group: &[&Traced], noise: &[String]) -> Vec<Vec<Record>> {
    prepare(machine, group);
    machine.must(&["systemctl", "daemon-reload"]);
    let units: Vec<String> = group
        .iter()
        .map(|vassal| format!("vassal@{}.service", vassal.name))
        .collect();
    let units: Vec<&str> = units.iter().map(String::as_str).collect();
    machine.must(&[&["systemctl", "start", "--no-block"], &units[..]].concat());
    // Which of them are open still is seen in the records.
    drop(wait(machine, group, |place| {
        machine.unit(units[place], "ActiveState") == "failed"
    }));
    machine.must(&[&["systemctl", "stop"], &units[..]].concat());
    machine.run(&["systemctl", "reset-failed", "vassal@*"]);
    collect(machine, group, noise)
}

/// Waits until the start of every vassal is over, or cannot be expected any more; the vassals of which it is not.
fn wait<'a>(machine: &Machine, group: &[&'a Traced], has_failed: impl Fn(usize) -> bool) -> Vec<&'a str> {
    let begun = Instant::now();
    let mut open: Vec<usize> = (0..group.len()).collect();
    while !open.is_empty() && begun.elapsed() < LIMIT {
        open.retain(|place| !is_over(machine, group[*place]) && !has_failed(*place));
        std::thread::sleep(LOOK_INTERVAL);
    }
    open.iter().map(|place| group[*place].name.as_str()).collect()
}

fn is_over(machine: &Machine, vassal: &Traced) -> bool {
    let records = parse(&machine.read_text(format!("{PLACE}/out/{}", vassal.name)));
    let has_begun_again = first_start(&records).len() < records.len();
    let is_complete = match &vassal.end {
        End::Records(labels) => labels
            .iter()
            .all(|label| records.iter().any(|record| record.label == *label)),
        // It may be a failure under one of them only.
        End::Failure => records.iter().any(|record| record.label == "accepting"),
    };
    is_complete || has_begun_again
}

fn collect(machine: &Machine, group: &[&Traced], noise: &[String]) -> Vec<Vec<Record>> {
    let read = |vassal: &&Traced| {
        let mut records = parse(&machine.read_text(format!("{PLACE}/out/{}", vassal.name)));
        if matches!(vassal.end, End::Failure) {
            records = first_start(&records).to_vec();
        }
        records.iter_mut().for_each(|record| quieten(record, noise));
        records
    };
    group.iter().map(read).collect()
}

/// Takes the machine's own mounts out of a record.
fn quieten(record: &mut Record, noise: &[String]) {
    let Some(mounts) = record.fields.get_mut("mounts") else {
        return;
    };
    let own: Vec<&str> = mounts
        .split(' ')
        .filter(|mount| !noise.iter().any(|other| other == mount))
        .collect();
    *mounts = own.join(" ");
}
