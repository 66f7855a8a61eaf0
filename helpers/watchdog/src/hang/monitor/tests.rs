use super::*;

const DEADLINE: Duration = Duration::from_secs(3);

/// One mountpoint that was busy, and one thread that slept, all the time.
fn overdue(now: Instant) -> Monitor {
    let since = now.checked_sub(DEADLINE).unwrap();
    let thread = Thread {
        process: Pid::from_raw(7),
        number: Pid::from_raw(8),
    };
    let sleeper = SleepingThread {
        thread,
        switches: (4, 0),
        since,
        due: now,
    };
    Monitor {
        busy: vec![Some(since)],
        sleepers: vec![sleeper],
        investigator: Some(Probe {
            pid: Pid::from_raw(77),
            since: now,
        }),
        ..Monitor::new(DEADLINE, 1, true)
    }
}

#[test]
fn it_looks_before_any_deadline_is_over() {
    assert_eq!(
        (every(DEADLINE, true), every(DEADLINE, false)),
        (Duration::from_millis(2500), LONGEST)
    );
}

#[test]
fn evidence_names_a_mountpoint() {
    let now = Instant::now();
    assert_eq!(
        overdue(now).take_investigation(Some(1), now),
        Attribution::Mountpoint(0)
    );
    // Nothing; a mountpoint that is not there; killed.
    for code in [Some(0), Some(2), None] {
        assert_eq!(
            overdue(now).take_investigation(code, now),
            Attribution::Nothing,
            "{code:?}"
        );
    }
}

#[test]
fn who_proved_nothing_has_the_whole_deadline_again() {
    let now = Instant::now();
    let mut monitor = overdue(now);
    assert!(monitor.is_investigator(Pid::from_raw(77)));
    monitor.take_investigation(Some(0), now);
    assert!(!monitor.is_investigator(Pid::from_raw(77)));
    assert_eq!(monitor.sleepers[0].due, now + DEADLINE);
    let mut monitor = overdue(now);
    assert_eq!(monitor.take_investigation(Some(255), now), Attribution::Unnamed);
    assert_eq!(monitor.sleepers[0].due, now + DEADLINE / 4);
}

#[test]
fn a_mountpoint_is_waited_for_while_it_has_requests_and_a_thread_sleeps() {
    let now = Instant::now();
    let monitor = overdue(now);
    assert!(monitor.waits_for(0, DEADLINE, now));
    assert!(!monitor.waits_for(0, DEADLINE * 2, now) && !monitor.waits_for(1, DEADLINE, now));
    let awake = Monitor {
        sleepers: Vec::new(),
        ..overdue(now)
    };
    let idle = Monitor {
        busy: vec![None],
        ..overdue(now)
    };
    assert!(!awake.waits_for(0, DEADLINE, now) && !idle.waits_for(0, DEADLINE, now));
}

#[test]
fn time_that_stood_still_does_not_count() {
    let now = Instant::now();
    let mut monitor = overdue(now);
    monitor.forgive(DEADLINE, now);
    assert_eq!((monitor.sleepers[0].since, monitor.busy[0]), (now, Some(now)));
    assert_eq!(monitor.looked, now);
}
