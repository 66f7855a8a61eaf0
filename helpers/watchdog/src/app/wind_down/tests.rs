use super::*;

const LIMIT: Duration = Duration::from_secs(2);
const ONE: Pid = Pid::from_raw(3);
const TWO: Pid = Pid::from_raw(4);

fn child(pid: Pid, kind: Kind) -> Child {
    Child { pid, kind }
}

/// What is done at each moment, in milliseconds after the order, with these children there.
fn acts(workers: &[Pid], moments: &[(u64, &[Child])]) -> Vec<Vec<Act>> {
    let begun = Instant::now();
    let mut wind_down = WindDown::to_stop(workers, begun, LIMIT);
    let at = |millis| begun + Duration::from_millis(millis);
    moments
        .iter()
        .map(|(millis, children)| wind_down.acts(children, at(*millis)))
        .collect()
}

#[test]
fn a_worker_that_was_forked_after_the_order_is_told_as_soon_as_it_can_hear() {
    let late = |kind| [child(ONE, Kind::Worker), child(TWO, kind)];
    let (newborn, worker) = (late(Kind::Newborn), late(Kind::Worker));
    let seen = acts(&[ONE], &[(0, &newborn), (20, &worker), (40, &worker)]);
    assert_eq!(seen, [vec![], vec![Act::Tell(vec![TWO])], vec![]]);
}

#[test]
fn a_worker_that_has_heard_is_told_again_with_growing_pauses() {
    let worker: &[Child] = &[child(ONE, Kind::Worker)];
    let moments: Vec<_> = (0..300).map(|step| (step * 100, worker)).collect();
    let seen = acts(&[ONE], &moments);
    let told: Vec<_> = (0..).zip(seen).filter(|(_, acts)| !acts.is_empty()).collect();
    let steps: Vec<_> = told.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [15, 45, 105, 225]);
}

#[test]
fn a_master_that_does_not_reload_has_no_more_than_its_workers_ended() {
    let begun = Instant::now();
    let mut turnover = WindDown::to_reload(&[ONE], begun);
    let mut told = 0;
    for number in 4..20 {
        let late = [
            child(ONE, Kind::Worker),
            child(Pid::from_raw(number), Kind::Worker),
        ];
        told += turnover
            .acts(&late, begun + Duration::from_secs(number as u64))
            .len();
    }
    assert_eq!(told, 1);
}

#[test]
fn a_master_without_workers_is_woken_and_without_children_interrupted_once() {
    let seen = acts(
        &[ONE],
        &[
            (0, &[child(ONE, Kind::Worker)]),
            (20, &[]),
            (60, &[]),
            (120, &[]),
            (140, &[]),
        ],
    );
    let woken = vec![Act::Wake];
    let interrupted = vec![Act::Wake, Act::Interrupt];
    assert_eq!(seen, [vec![], woken.clone(), woken.clone(), interrupted, woken]);
}

#[test]
fn what_the_master_does_not_know_is_ended_and_what_it_attends_to_has_its_time() {
    let both: &[Child] = &[child(ONE, Kind::Stranger), child(TWO, Kind::Attended)];
    let seen = acts(
        &[],
        &[
            (0, both),
            (60, both),
            (100, both),
            (310, both),
            (1500, &both[1..]),
            (3600, &both[1..]),
        ],
    );
    let term = |pid| Act::Signal(pid, Signal::SIGTERM);
    let kill = |pid| Act::Signal(pid, Signal::SIGKILL);
    let expected = [
        vec![Act::Wake],
        vec![Act::Wake, term(ONE)],
        vec![Act::Wake],
        vec![Act::Wake, kill(ONE)],
        vec![Act::Wake, term(TWO)],
        vec![Act::Wake, kill(TWO)],
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_master_that_reloads_is_woken_and_keeps_its_other_children() {
    let begun = Instant::now();
    let mut turnover = WindDown::to_reload(&[], begun);
    let stranger = [child(ONE, Kind::Stranger)];
    for (seconds, children) in [(0, &stranger[..]), (5, &stranger), (6, &[]), (9, &[])] {
        let seen = turnover.acts(children, begun + Duration::from_secs(seconds));
        assert_eq!(seen, [Act::Wake], "{seconds}");
    }
}

#[test]
fn looks_become_seldom() {
    let begun = Instant::now();
    let mut wind_down = WindDown::to_stop(&[], begun, LIMIT);
    let count = (0..30_000)
        .filter(|millis| wind_down.is_due(begun + Duration::from_millis(*millis)))
        .count();
    assert!((120..250).contains(&count), "{count}");
}
