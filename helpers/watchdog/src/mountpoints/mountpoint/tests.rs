use super::*;
use crate::processes::probe::Probe;
use std::process::Command;
use vassal_sys::mountinfo::Mount;

fn mountpoint() -> Mountpoint {
    let mount = Mount {
        id: 1,
        parent: 0,
        major: 0,
        minor: 2,
        mountpoint: b"/app".to_vec(),
        fstype: b"fuse.x".to_vec(),
        owner: (0, 0),
        writable: true,
        is_slave: false,
    };
    let watched = Watched {
        mount,
        origin: "u.ini:10".into(),
    };
    let schedule = Schedule {
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(2),
        deadline: Duration::from_secs(2),
    };
    Mountpoint::new(watched, schedule, true)
}

fn probe() -> Probe {
    Probe {
        pid: Pid::from_raw(77),
        since: Instant::now(),
    }
}

#[test]
fn an_answer_puts_the_next_question_off_by_the_interval() {
    let mut mountpoint = mountpoint();
    mountpoint.out = Some(Pending::new(probe(), TICK));
    assert_eq!(
        mountpoint.take_answer(Pid::from_raw(78), Some(0)),
        Answer::NotMine
    );
    assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
    assert!(mountpoint.has_answered() && mountpoint.next() > Instant::now());
    assert!(
        mountpoint
            .sentence()
            .starts_with("/app healthy (fuse.x, probed 0.0 s ago, ")
    );
}

#[test]
fn a_type_that_a_user_made_up_is_no_sentence_of_the_status() {
    assert_eq!(shown_type(b"fuse.fuse-zip"), "fuse.fuse-zip");
    assert_eq!(
        shown_type(b"fuse.x, healthy; no restarts"),
        "'fuse.x??healthy??no?restarts'"
    );
    assert_eq!(shown_type(&[b'x'; 200]), format!("'{}...'", "x".repeat(32)));
    assert_eq!(shown_type("fuse.\u{202e}".as_bytes()), "'fuse.???'");
}

#[test]
fn a_question_may_come_a_little_early() {
    let mountpoint = mountpoint();
    let due = mountpoint.due;
    let before = |time: Duration| due.checked_sub(time).unwrap();
    let interval = mountpoint.schedule.interval;
    assert!(mountpoint.is_due(due) && mountpoint.is_due(before(interval / 8)));
    assert!(!mountpoint.is_due(before(interval / 7)));
    assert_eq!(mountpoint.next(), due);
}

#[test]
fn a_probe_that_was_killed_is_sent_again_at_once() {
    let mut mountpoint = mountpoint();
    mountpoint.out = Some(Pending::new(probe(), TICK));
    assert_eq!(mountpoint.take_answer(Pid::from_raw(77), None), Answer::Good);
    assert!(!mountpoint.has_answered() && mountpoint.next() <= Instant::now());
}

#[test]
fn probes_that_are_killed_for_a_deadline_are_a_verdict() {
    let mut mountpoint = mountpoint();
    let sent = Instant::now().checked_sub(mountpoint.schedule.timeout).unwrap();
    assert_eq!(
        mountpoint.disturb(Instant::now(), Disturbance::Killed),
        Answer::Good
    );
    mountpoint.out = Some(Pending::new(probe(), TICK));
    assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
    let over = Answer::Bad(Verdict::Disturbed(1, Disturbance::Killed));
    assert_eq!(mountpoint.disturb(sent, Disturbance::Killed), over);
}

#[test]
fn a_daemon_at_work_has_the_deadline_again() {
    let mut mountpoint = mountpoint();
    let mut out = Pending::new(probe(), TICK);
    out.witness = Attempt::Running(Probe {
        pid: Pid::from_raw(i32::MAX),
        since: Instant::now(),
    });
    mountpoint.out = Some(out);
    let (due, later) = (mountpoint.next(), Instant::now() + Duration::from_secs(1));
    assert!(!mountpoint.take_witness(Pid::from_raw(78), Some(1), later));
    assert!(mountpoint.take_witness(Pid::from_raw(i32::MAX), Some(1), later));
    assert!(mountpoint.next() > due && mountpoint.is_at_work(later));
    assert!(!mountpoint.is_at_work(later + mountpoint.schedule.timeout));
    // One that is there when the answer comes is ended, and reaped as what it was.
    if let Some(out) = &mut mountpoint.out {
        out.witness = Attempt::Running(Probe {
            pid: Pid::from_raw(i32::MAX),
            since: later,
        });
    }
    assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
    assert!(mountpoint.take_witness(Pid::from_raw(i32::MAX), None, later));
    assert!(!mountpoint.take_witness(Pid::from_raw(i32::MAX), None, later));
}

#[test]
fn a_probe_that_never_runs_is_a_verdict_in_the_end() {
    let proc = Proc::mounted().unwrap();
    // It is always ready to run.
    let mut busy = Command::new("sh")
        .args(["-c", "while :; do :; done"])
        .spawn()
        .unwrap();
    let mut mountpoint = mountpoint();
    // Without a daemon to look at: a test has threads, and cannot fork for that.
    mountpoint.watched.mount.fstype = b"nfs".to_vec();
    let probe = Probe {
        pid: Pid::from_raw(busy.id() as i32),
        since: Instant::now(),
    };
    while probe.state(&proc) != Some(b'R') {}
    let begun = probe.since;
    mountpoint.out = Some(Pending::new(probe, TICK));
    let deadline = mountpoint.schedule.timeout;
    let place = Place {
        proc: &proc,
        is_init: false,
        fusectl: None,
    };
    let verdicts: Vec<_> = (1..=STARVED)
        .map(|times| mountpoint.tick(place, begun + deadline * times).unwrap())
        .collect();
    busy.kill().unwrap();
    busy.wait().unwrap();
    let starved = Some(Verdict::Disturbed(1, Disturbance::Starved));
    assert_eq!(verdicts, [None, None, None, starved]);
}

#[test]
fn however_often_it_is_doubted_it_is_asked_no_more_than_it_may_be() {
    let mut mountpoint = mountpoint();
    let now = Instant::now();
    (0..100).for_each(|_| mountpoint.pace.take(now));
    mountpoint.ask_now();
    assert!(mountpoint.is_asked() && !mountpoint.is_due(Instant::now()));
    assert!(mountpoint.next() > now + Duration::from_secs(20));
}

#[test]
fn an_answer_from_before_a_sign_is_asked_for_again() {
    let mut mountpoint = mountpoint();
    mountpoint.out = Some(Pending::new(probe(), TICK));
    mountpoint.ask_now();
    assert_eq!(mountpoint.take_answer(Pid::from_raw(77), Some(0)), Answer::Good);
    assert!(mountpoint.next() <= Instant::now());
}

#[test]
fn an_errno_is_a_verdict() {
    let mut mountpoint = mountpoint();
    mountpoint.out = Some(Pending::new(probe(), TICK));
    let dead = Verdict::Dead(nix::errno::Errno::ENOTCONN);
    assert_eq!(
        mountpoint.take_answer(Pid::from_raw(77), Some(107)),
        Answer::Bad(dead)
    );
}
