use super::*;

fn name(text: &str) -> VassalName {
    VassalName::parse(text.as_bytes()).unwrap()
}

fn file(modified: i64, content: u64) -> File {
    File {
        stamp: Stamp { modified, content },
        changed: modified,
        drop_in: None,
        socket: None,
    }
}

fn unit(state: State) -> Unit {
    Unit {
        state,
        is_queued: false,
        is_masked: false,
        socket: Socket::None,
        since: 0,
    }
}

fn remembered(stamp: Stamp) -> Remembered {
    Remembered {
        stamp,
        ..Remembered::default()
    }
}

/// The action for one vassal.
fn decided(
    file_state: Option<FileState>,
    unit: Option<Unit>,
    before: Option<Stamp>,
    generated: bool,
) -> Option<Action> {
    let x = name("x");
    let situation = Situation {
        files: file_state
            .map(|file_state| (x.clone(), file_state))
            .into_iter()
            .collect(),
        units: unit.map(|unit| (x.clone(), unit)).into_iter().collect(),
        memory: before
            .map(|stamp| (x.clone(), remembered(stamp)))
            .into_iter()
            .collect(),
        generated: generated.then_some(x).into_iter().collect(),
        ..Situation::default()
    };
    let steps = reconcile(&situation);
    assert!(steps.len() < 2);
    steps.first().map(|step| step.action)
}

#[test]
fn each_state_and_change_has_its_action() {
    use Action::*;
    use State::*;
    let (old, new) = (file(1, 1).stamp, FileState::File(file(2, 2)));
    let same = || Some(FileState::File(file(1, 1)));
    type Case = (
        &'static str,
        Option<FileState>,
        Option<Unit>,
        Option<Stamp>,
        Option<Action>,
    );
    let cases: [Case; 22] = [
        ("a new file", Some(new.clone()), None, None, Some(Start)),
        (
            "changed, not loaded",
            Some(new.clone()),
            None,
            Some(old),
            Some(Start),
        ),
        ("stopped by hand, unloaded", same(), None, Some(old), None),
        ("stopped by hand", same(), Some(unit(Off)), Some(old), None),
        ("failed, as before", same(), Some(unit(Failed)), Some(old), None),
        (
            "mended",
            Some(new.clone()),
            Some(unit(Failed)),
            Some(old),
            Some(Start),
        ),
        (
            "stopped, changed",
            Some(new.clone()),
            Some(unit(Off)),
            Some(old),
            Some(Start),
        ),
        ("runs, as before", same(), Some(unit(On)), Some(old), None),
        (
            "runs, changed",
            Some(new.clone()),
            Some(unit(On)),
            Some(old),
            Some(Reload),
        ),
        (
            "touched",
            Some(FileState::File(file(2, 1))),
            Some(unit(On)),
            Some(old),
            Some(Reload),
        ),
        (
            "back-dated",
            Some(FileState::File(file(0, 2))),
            Some(unit(On)),
            Some(old),
            Some(Reload),
        ),
        (
            "older, same",
            Some(FileState::File(file(0, 1))),
            Some(unit(On)),
            Some(old),
            None,
        ),
        (
            "starts, changed",
            Some(new.clone()),
            Some(unit(Starting)),
            Some(old),
            Some(Restart),
        ),
        (
            "stops, changed",
            Some(new.clone()),
            Some(unit(Stopping)),
            Some(old),
            Some(Start),
        ),
        (
            "unknown",
            Some(FileState::Unknown),
            Some(unit(On)),
            Some(old),
            None,
        ),
        ("removed, runs", None, Some(unit(On)), Some(old), Some(Stop)),
        ("removed, starts", None, Some(unit(Starting)), None, Some(Stop)),
        ("removed, failed", None, Some(unit(Failed)), Some(old), Some(Stop)),
        ("removed, off", None, Some(unit(Off)), Some(old), Some(Erase)),
        ("removed, gone", None, None, Some(old), Some(Erase)),
        ("never known, failed", None, Some(unit(Failed)), None, None),
        ("never known, off", None, Some(unit(Off)), None, None),
    ];
    for (case, file_state, unit, before, expected) in cases {
        assert_eq!(decided(file_state, unit, before, false), expected, "{case}");
    }
    assert_eq!(decided(None, None, None, true), Some(Erase), "a drop-in is left");
}

#[test]
fn without_a_record_the_units_own_time_decides_what_is_newer() {
    let since = |state, since| Some(Unit { since, ..unit(state) });
    let file_state = || Some(FileState::File(file(5, 5)));
    for (state, action) in [
        (State::On, Action::Reload),
        (State::Off, Action::Start),
        (State::Failed, Action::Start),
    ] {
        assert_eq!(
            decided(file_state(), since(state, 9), None, false),
            Some(Action::Adopt),
            "{state:?}"
        );
        assert_eq!(
            decided(file_state(), since(state, 4), None, false),
            Some(action),
            "{state:?}"
        );
    }
}

#[test]
fn a_masked_vassal_is_left_alone_and_its_changes_apply_after_the_mask() {
    let masked = Unit {
        is_masked: true,
        ..unit(State::Off)
    };
    let before = Some(file(1, 1).stamp);
    assert_eq!(
        decided(Some(FileState::File(file(2, 2))), Some(masked), before, false),
        None
    );
    assert_eq!(
        decided(
            Some(FileState::File(file(2, 2))),
            Some(unit(State::Off)),
            before,
            false
        ),
        Some(Action::Start)
    );
}

#[test]
fn a_start_of_the_target_starts_vassals_stopped_by_hand_and_none_twice() {
    let decided = |unit: Option<Unit>| {
        let mut situation = Situation {
            target_starts: true,
            ..Situation::default()
        };
        situation.files.insert(name("x"), FileState::File(file(1, 1)));
        situation.memory.insert(name("x"), remembered(file(1, 1).stamp));
        situation.units.extend(unit.map(|unit| (name("x"), unit)));
        reconcile(&situation).first().map(|step| step.action)
    };
    assert_eq!(decided(None), Some(Action::Start));
    assert_eq!(decided(Some(unit(State::Off))), Some(Action::Start));
    assert_eq!(decided(Some(unit(State::On))), None);
    assert_eq!(
        decided(Some(Unit {
            is_queued: true,
            ..unit(State::Off)
        })),
        None
    );
}

#[test]
fn a_vassal_on_demand_is_started_by_its_socket_only() {
    use Action::*;
    use State::*;
    let at = |modified, content, socket| File {
        socket,
        ..file(modified, content)
    };
    let (old, new, moved) = (at(1, 1, Some(7)), at(2, 2, Some(7)), at(2, 2, Some(8)));
    let with = |state, socket| {
        Some(Unit {
            socket,
            ..unit(state)
        })
    };
    let decided = |file: &File, unit: Option<Unit>, socket: Option<Option<u64>>| {
        let mut situation = Situation::default();
        situation.files.insert(name("x"), FileState::File(file.clone()));
        situation.units.extend(unit.map(|unit| (name("x"), unit)));
        situation.memory.extend(socket.map(|socket| {
            let stamp = old.stamp;
            (
                name("x"),
                Remembered {
                    socket,
                    ..remembered(stamp)
                },
            )
        }));
        reconcile(&situation).first().map(|step| step.action)
    };
    let known = Some(Some(7));
    let cases = [
        ("new", &old, None, None, Some(Start)),
        ("waits", &old, with(Off, Socket::Open), known, None),
        (
            "waits, changed",
            &new,
            with(Off, Socket::Open),
            known,
            Some(Renew),
        ),
        (
            "failed, changed",
            &new,
            with(Failed, Socket::Open),
            known,
            Some(Renew),
        ),
        ("runs", &old, with(On, Socket::Open), known, None),
        ("runs, changed", &new, with(On, Socket::Open), known, Some(Reload)),
        (
            "starts, changed",
            &new,
            with(Starting, Socket::Open),
            known,
            Some(Restart),
        ),
        (
            "goes idle, changed",
            &new,
            with(Stopping, Socket::Open),
            known,
            Some(Adopt),
        ),
        ("closed by hand", &old, with(Off, Socket::Closed), known, None),
        (
            "closed by hand, changed",
            &new,
            with(Off, Socket::Closed),
            known,
            Some(Start),
        ),
        ("moved, waits", &moved, with(Off, Socket::Open), known, Some(Swap)),
        ("moved, runs", &moved, with(On, Socket::Open), known, Some(Swap)),
        (
            "moved, off",
            &moved,
            with(Off, Socket::Closed),
            known,
            Some(Start),
        ),
        (
            "had no socket, runs",
            &new,
            with(On, Socket::None),
            Some(None),
            Some(Swap),
        ),
        (
            "has none any more",
            &file(2, 2),
            with(Off, Socket::Open),
            known,
            Some(Swap),
        ),
        ("unknown, waits", &old, with(Off, Socket::Open), None, Some(Renew)),
    ];
    for (case, file, unit, socket, expected) in cases {
        assert_eq!(decided(file, unit, socket), expected, "{case}");
    }
    let mut situation = Situation::default();
    situation
        .units
        .extend(with(Off, Socket::Open).map(|unit| (name("x"), unit)));
    assert_eq!(reconcile(&situation)[0].action, Stop, "no file");
}

/// xorshift64*, so that each run has the same histories.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// A model of a machine, with only the state that the decisions depend on.
#[derive(Default)]
struct World {
    now: i64,
    files: BTreeMap<VassalName, File>,
    units: BTreeMap<VassalName, Unit>,
    /// The content that each unit runs with.
    runs: BTreeMap<VassalName, Stamp>,
    memory: BTreeMap<VassalName, Remembered>,
    generated: BTreeSet<VassalName>,
    /// The vassals that were stopped by hand since the last change of their files.
    by_hand: BTreeSet<VassalName>,
}

/// Whether an app cannot be started with this content.
fn is_broken(content: u64) -> bool {
    content % 5 == 0
}

impl World {
    fn tick(&mut self) -> i64 {
        self.now += 1;
        self.now
    }

    fn situation(&self) -> Situation {
        let file_state = |(name, file): (&VassalName, &File)| (name.clone(), FileState::File(file.clone()));
        Situation {
            files: self.files.iter().map(file_state).collect(),
            units: self.units.clone(),
            memory: self.memory.clone(),
            generated: self.generated.clone(),
            ..Situation::default()
        }
    }

    fn set(&mut self, name: &VassalName, state: State) {
        let since = self.tick();
        let queued = Unit { since, ..unit(state) };
        self.units.insert(name.clone(), queued);
    }

    fn start(&mut self, name: &VassalName) {
        let stamp = self.files.get(name).map(|file| file.stamp);
        match stamp {
            Some(stamp) if !is_broken(stamp.content) => {
                self.set(name, State::On);
                self.runs.insert(name.clone(), stamp);
            }
            _ => {
                self.set(name, State::Failed);
                self.runs.remove(name);
            }
        }
    }

    /// Carries out a step as the service does; `dies` says before which of its parts the service is killed.
    fn perform(&mut self, step: &Step, dies: u64) {
        let Step {
            name, action, stamp, ..
        } = step;
        if dies == 0 {
            return;
        }
        match action {
            Action::Adopt | Action::Renew => {}
            Action::Start | Action::Restart | Action::Swap => {
                self.generated.insert(name.clone());
                self.start(name);
            }
            Action::Reload => {
                let stamp = self.files[name].stamp;
                if !is_broken(stamp.content) {
                    self.runs.insert(name.clone(), stamp);
                }
            }
            Action::Stop | Action::Erase => {
                self.units.remove(name);
                self.runs.remove(name);
            }
        }
        if dies == 1 {
            return;
        }
        match stamp {
            Some(stamp) => {
                let socket = step.socket;
                let remembered = Remembered {
                    socket,
                    ..remembered(*stamp)
                };
                self.memory.insert(name.clone(), remembered);
            }
            None => {
                self.generated.remove(name);
                self.memory.remove(name);
            }
        }
    }

    /// A random action from outside: of an editor, an administrator, or systemd.
    fn happen(&mut self, dice: &mut Dice) {
        let name = name(["a", "b", "c", "d"][dice.roll(4) as usize]);
        match dice.roll(9) {
            0..=3 => {
                let at = self.tick();
                let content = 1 + dice.roll(12);
                self.files.insert(name.clone(), file(at, content));
                self.by_hand.remove(&name);
            }
            4 => {
                let at = self.tick();
                if let Some(file) = self.files.get_mut(&name) {
                    (file.stamp.modified, file.changed) = (at, at);
                    self.by_hand.remove(&name);
                }
            }
            5 => {
                self.files.remove(&name);
                self.by_hand.remove(&name);
            }
            6 => {
                // A stop by hand. systemd keeps the unit loaded, or unloads it.
                let Some(file) = self.files.get(&name).map(|file| file.stamp) else {
                    return;
                };
                let Some(before) = self.units.get(&name).copied() else {
                    return;
                };
                let keeps = dice.roll(2) == 0;
                let counts = match self.memory.get(&name) {
                    // The stop applies to the file that was in effect.
                    Some(known) => known.stamp == file,
                    None => keeps && before.state != State::Off,
                };
                self.runs.remove(&name);
                if !keeps && !self.memory.contains_key(&name) {
                    // Nothing shows any more that it was stopped.
                    self.by_hand.remove(&name);
                }
                if counts {
                    self.by_hand.insert(name.clone());
                }
                match keeps {
                    false => drop(self.units.remove(&name)),
                    true if before.state == State::Off => {}
                    true => self.set(&name, State::Off),
                }
            }
            7 => {
                // A daemon-reload writes and removes drop-ins as the files say.
                self.generated = self.files.keys().cloned().collect();
            }
            _ => {
                if self.files.contains_key(&name) {
                    self.by_hand.remove(&name);
                    self.start(&name);
                }
            }
        }
    }

    fn settle(&mut self) {
        for _ in 0..4 {
            let steps = reconcile(&self.situation());
            if steps.is_empty() {
                return;
            }
            for step in steps {
                self.perform(&step, 2);
            }
        }
        panic!("it never ends: {:?}", reconcile(&self.situation()));
    }
}

#[test]
fn after_any_history_everything_is_as_the_files_say() {
    let mut dice = Dice(0x5eed);
    for history in 0..5000 {
        let mut world = World::default();
        for _ in 0..=dice.roll(30) {
            world.happen(&mut dice);
            // The service notices some of the changes, and may be killed while it acts.
            if dice.roll(3) == 0 {
                for step in reconcile(&world.situation()) {
                    let dies = dice.roll(3);
                    world.perform(&step, dies);
                    if dies < 2 {
                        break;
                    }
                }
            }
        }
        world.settle();
        assert_eq!(reconcile(&world.situation()), [], "history {history}");
        for (name, file) in &world.files {
            let runs = world.runs.get(name).map(|stamp| stamp.content);
            let expected = match file.stamp.content {
                content if is_broken(content) => continue,
                _ if world.by_hand.contains(name) => None,
                content => Some(content),
            };
            assert!(
                runs == expected,
                "history {history}: {name:?} runs {runs:?}, not {expected:?}"
            );
        }
        let gone = |name: &&VassalName| !world.files.contains_key(name);
        let left: Vec<_> = world
            .runs
            .keys()
            .chain(&world.generated)
            .chain(world.memory.keys())
            .filter(gone)
            .collect();
        assert!(left.is_empty(), "history {history}: {left:?}");
    }
}

#[test]
fn a_broken_file_never_stops_what_runs() {
    let mut dice = Dice(7);
    for _ in 0..2000 {
        let mut world = World::default();
        world.files.insert(name("a"), file(1, 1));
        world.settle();
        let at = world.tick() + 100;
        world.files.insert(name("a"), file(at, 5));
        for _ in 0..dice.roll(4) {
            for step in reconcile(&world.situation()) {
                assert_eq!(step.action, Action::Reload);
                world.perform(&step, dice.roll(3));
            }
        }
        assert_eq!(world.runs[&name("a")].content, 1);
        world.files.insert(name("a"), file(at + 1, 2));
        world.settle();
        assert_eq!(world.runs[&name("a")].content, 2);
    }
}
