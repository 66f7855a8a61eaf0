use super::*;

/// The attempts of a vassal that needs `time` to fail, and what is done before each: the pause, and whether the unit has
/// failed meanwhile.
fn attempts(time: Duration, count: usize) -> Vec<(u64, bool)> {
    let (mut record, mut now) = (RestartRecord::default(), Duration::from_secs(1000));
    let mut seen = Vec::new();
    while seen.len() < count {
        let (pause, is_later) = match record.turn(now, Pauses::default()) {
            Turn::After(pause) => (pause, false),
            Turn::Later(pause) => {
                record.next = Next::Asked;
                assert_eq!(
                    record.turn(now + pause, Pauses::default()),
                    Turn::After(Duration::ZERO)
                );
                (pause, true)
            }
        };
        now += pause;
        record.begin(if is_later { Duration::ZERO } else { pause }, now);
        assert_eq!(record.restarts, seen.len() as u32);
        now += time;
        record.start_failed("no disk");
        seen.push((pause.as_secs(), is_later));
    }
    seen
}

#[test]
fn a_series_of_failures_holds_the_unit_up_for_a_few_seconds_and_is_then_tried_from_outside() {
    let quick = [
        (0, false),
        (0, false),
        (1, false),
        (2, false),
        (4, true),
        (8, true),
        (16, true),
    ];
    assert_eq!(attempts(Duration::from_millis(100), 7), quick);
    // Other units wait for one slow attempt at most.
    let slow = [(0, false), (1, true), (1, true), (2, true)];
    assert_eq!(attempts(Duration::from_secs(30), 4), slow);
}

#[test]
fn the_time_of_service_holds_nobody_up() {
    let (mut record, minute) = (RestartRecord::default(), Duration::from_secs(60));
    record.begin(Duration::ZERO, minute);
    record.served();
    record.failed("gone", Duration::from_millis(900), Duration::from_secs(1));
    assert_eq!(
        record.turn(minute * 60, Pauses::default()),
        Turn::After(Duration::ZERO)
    );
    assert_eq!(record.attempts, 1);
}

#[test]
fn who_serves_between_its_failures_keeps_its_sockets_until_the_pauses_are_long() {
    let (mut record, mut now) = (RestartRecord::default(), Duration::from_secs(1000));
    let mut pauses = Vec::new();
    let later = loop {
        match record.turn(now, Pauses::default()) {
            Turn::Later(pause) => break pause,
            Turn::After(pause) => {
                pauses.push(pause.as_secs());
                now += pause;
                record.begin(pause, now);
                record.served();
                record.failed("gone", Duration::from_millis(300), Duration::from_secs(1));
            }
        }
    };
    assert_eq!((pauses, later.as_secs()), (vec![0, 0, 1, 2, 4], 8));
}

#[test]
fn every_restart_counts_but_that_of_an_administrator() {
    let mut record = RestartRecord::default();
    let start = |record: &mut RestartRecord| {
        record.turn(Duration::ZERO, Pauses::default());
        record.begin(Duration::ZERO, Duration::ZERO);
        (record.restarts, record.cause.clone())
    };
    assert_eq!(start(&mut record).0, 0);
    record.start_failed("no disk");
    assert_eq!(start(&mut record), (1, "no disk".into()));
    // Killed before it could tell anything.
    let (count, cause) = start(&mut record);
    assert!(count == 2 && cause.starts_with("it was killed"), "{cause}");
    record.stopped();
    assert_eq!(
        (record.turn(SETTLED, Pauses::default()), record.held),
        (Turn::After(Duration::ZERO), Duration::ZERO)
    );
    assert_eq!(start(&mut record).0, 2);
}

#[test]
fn the_first_restart_is_immediate_and_the_pause_ends_at_three_minutes() {
    let pause = |attempts| {
        RestartRecord {
            attempts,
            ..RestartRecord::default()
        }
        .pause(Pauses::default())
        .as_secs()
    };
    assert_eq!(
        [pause(0), pause(1), pause(2), pause(3), pause(4)],
        [0, 0, 1, 2, 4]
    );
    assert_eq!([pause(9), pause(10), pause(u32::MAX)], [128, 180, 180]);
    let record = RestartRecord {
        attempts: 4,
        ..RestartRecord::default()
    };
    let even = Duration::from_millis(200);
    let pauses = |longest| Pauses { first: even, longest };
    assert_eq!(record.pause(pauses(even * 3)), even * 3);
    assert_eq!(record.pause(pauses(even * 9)), even * 4);
}

/// Runs that each serve for `served`, their restarts, and the pauses before those, of which the first are all zero.
fn restarts_at_once(served: Duration, most: usize) -> usize {
    let mut record = RestartRecord::default();
    (0..most)
        .take_while(|_| {
            record.attempts += 1;
            record.failed("dead", served, Duration::from_secs(1));
            record.attempts == 0
        })
        .count()
}

#[test]
fn runs_that_prove_themselves_are_restarted_at_once_a_hundred_times_and_then_later_and_later() {
    let cases = [
        (Duration::from_millis(999), 0),
        // Fifty kills, two seconds apart, and fifty more.
        (Duration::from_secs(1), 105),
        (Duration::from_secs(2), 111),
        (Duration::from_secs(19), 1981),
    ];
    for (served, times) in cases {
        assert_eq!(restarts_at_once(served, 5000), times, "{served:?}");
    }
    // Each restart has been paid for.
    assert_eq!(restarts_at_once(SETTLED, 5000), 5000);
}

#[test]
fn one_who_owes_too_much_waits_like_any_other_until_a_run_settles() {
    let second = Duration::from_secs(1);
    let mut record = RestartRecord {
        debt: SETTLED * AT_ONCE,
        ..RestartRecord::default()
    };
    let mut pauses = Vec::new();
    for _ in 0..11 {
        pauses.push(record.pause(Pauses::default()).as_secs());
        record.attempts += 1;
        record.failed("dead", second / 2, second);
    }
    assert_eq!(pauses, [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 180]);
    record.failed("dead", SETTLED, second);
    assert_eq!(
        (record.attempts, record.pause(Pauses::default())),
        (0, Duration::ZERO)
    );
    assert!(record.debt > SETTLED * (AT_ONCE - 2), "{:?}", record.debt);
    record.stopped();
    assert_eq!(record.debt, Duration::ZERO);
}
