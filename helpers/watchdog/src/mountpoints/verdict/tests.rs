use super::*;

fn mount(id: u32, minor: u32, fstype: &str) -> Mount {
    Mount {
        id,
        parent: 1,
        major: 0,
        minor,
        mountpoint: b"/app".to_vec(),
        fstype: fstype.into(),
        owner: (20001, 20001),
        writable: true,
        is_slave: false,
    }
}

#[test]
fn the_same_mount_under_another_parent_is_no_verdict() {
    let expected = mount(40, 51, "fuse.fuse-zip");
    let mut now = expected.clone();
    now.parent = 7;
    assert_eq!(judge_mounts(&expected, &[now]), None);
}

#[test]
fn an_empty_place_is_gone_and_another_mount_is_replaced() {
    let expected = mount(40, 51, "fuse.fuse-zip");
    assert_eq!(judge_mounts(&expected, &[]), Some(Verdict::Gone));
    let another_major = Mount {
        major: 8,
        ..expected.clone()
    };
    let others = [
        ("all", mount(41, 52, "tmpfs")),
        ("mount id", mount(41, 51, "fuse.fuse-zip")),
        ("device's major number", another_major),
        ("device's minor number", mount(40, 52, "fuse.fuse-zip")),
        ("type", mount(40, 51, "fuse.squashfuse")),
    ];
    for (what, other) in others {
        let verdict = judge_mounts(&expected, &[other]);
        assert_eq!(verdict, Some(Verdict::Replaced), "another {what}");
    }
    let mut over = mount(41, 52, "tmpfs");
    over.parent = 40;
    assert_eq!(
        judge_mounts(&expected, &[expected.clone(), over]),
        Some(Verdict::Replaced)
    );
}

#[test]
fn only_a_probe_that_sleeps_asks() {
    for (state, expected) in [
        (Some(b'S'), Waiting::Asks),
        (Some(b'D'), Waiting::Asks),
        (Some(b'R'), Waiting::Runs),
        (Some(b'T'), Waiting::Stands),
        (Some(b't'), Waiting::Stands),
        (Some(b'Z'), Waiting::Runs),
        (None, Waiting::Runs),
    ] {
        assert_eq!(judge_state(state), expected, "{state:?}");
    }
}

#[test]
fn a_mount_whose_directory_was_renamed_has_moved() {
    let expected = mount(40, 51, "fuse.fuse-zip");
    let moved = Mount {
        mountpoint: b"/elsewhere/app".to_vec(),
        ..expected.clone()
    };
    assert_eq!(judge_mounts(&expected, &[moved]), Some(Verdict::Moved));
}

#[test]
fn an_answer_is_healthy_and_an_errno_is_dead() {
    let dead = Verdict::Dead(Errno::ENOTCONN);
    assert_eq!(judge_answer(0), Reply::Healthy);
    assert_eq!(judge_answer(107), Reply::Bad(dead));
    assert_eq!(dead.to_string(), "dead (ENOTCONN)");
}

#[test]
fn an_answer_of_a_path_is_doubted() {
    let missing = Verdict::Dead(Errno::ENOENT);
    assert_eq!(judge_answer(2), Reply::Elsewhere(Some(missing)));
    assert_eq!(judge_answer(ELSEWHERE), Reply::Elsewhere(None));
}

#[test]
fn a_request_that_hangs_is_told_with_its_time() {
    let verdict = Verdict::Hung(Silence::Request(Duration::from_millis(900)));
    assert_eq!(verdict.row().word, "hung");
    assert_eq!(
        verdict.to_string(),
        "hung (a request unanswered for 0.9 s while statfs is answered)"
    );
}

#[test]
fn every_verdict_says_one_of_its_sentences() {
    let how = Disturbance::Killed;
    let all = [
        Verdict::Dead(Errno::EIO),
        Verdict::Hung(Silence::Probe),
        Verdict::Hung(Silence::Request(Duration::from_secs(3))),
        Verdict::Gone,
        Verdict::Replaced,
        Verdict::Moved,
        Verdict::Disturbed(1, how),
        Verdict::Disturbed(2, how),
    ];
    for verdict in all {
        let said = verdict.to_string();
        let row = verdict.row();
        assert!(said.starts_with(row.word), "{said}");
        assert!(
            row.sentences.iter().any(|sentence| sentence.is_of(&said)),
            "{said}"
        );
    }
}
