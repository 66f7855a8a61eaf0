//! Command lines and environments.

use crate::generate::Kind;
use crate::random::Random;
use crate::words::{BY_ENDING, FILES};

/// Words of a command line, each a whole (A1).
const WORDS: &[&[&str]] = &[
    &["--set", "a=%(b)"],
    &["--set=c=%(a)$(FOO)"],
    &["-S", "a=1"],
    &["-Sfoo=x y"],
    &["-p", "3", "--max-req=4"],
    &["-p3"],
    &["-Mp", "2"],
    &["--if-env=NOPE", "--set=q=1"],
    &["--if-env", "FOO", "--set-ph", "q=%(_)", "--endif"],
    &["--for", "1 2", "--set-ph", "r%(_)=%(_)"],
    &["--endif="],
    &["--end-for"],
    &["--master", "-M", "--procname-pre=x"],
    &["-C"],
    &["-C660"],
    &["--chmod-socket", "--vacuum"],
    &["--chmod-socket=66"],
    &["-t", "30", "-l5", "-R", "7"],
    &["-z4", "-a"],
    &["-s", ":0"],
    &["--declare-option", "site=set=a=$1;set=b=$2"],
    &["--declare-option=site=set=a=$1", "--site", "x"],
    &["--site=1 2"],
    &["--strict"],
    &["--env", "FOO=x"],
    &["--early-envdir=ed"],
    &["--inject-before", "inj"],
    &["--print", "PRN%(a)"],
    &["--iprint=PRN%(a)%n"],
    &["--if-opt=a", "--set=d=%(_)", "--endif"],
    &["--for-times=2", "--set=t=%(_)", "--endfor"],
    &["--if-exists", "f", "--ini=c.ini:t", "--endif"],
    &["--blacklist", "foo site", "--end-blacklist"],
];

/// The same, but most of these end everything.
const WRONG: &[&[&str]] = &[
    &["--nope"],
    &["--vacuum=1"],
    &["--pro=1"],
    &["--set"],
    &["-e"],
    &["--", "b.ini", "--master"],
    &["[ignored", "c.ini"],
    &["f"],
    &["--set=noequals"],
    &["--exit=3"],
    &["--need-plugin=nope"],
    &["--blacklist=a"],
    &["--whitelist", "a"],
    &[""],
    &["-"],
];

/// Variables that are options (A2), and some that are none. None may leave an untaken block open: the hooks that show the
/// list come after them.
const OPTIONS: &[(&str, &str)] = &[
    ("UWSGI_FOO", "%(a)$(FOO)"),
    ("UWSGI_LONG_Name", "1"),
    ("UWSGI_VASSALS_DIR", "/x"),
    ("UWSGI_RELOADS", "1"),
    ("UWSGI_SET", "q=%(a)"),
    ("UWSGI_INHERIT", "c.ini"),
    ("UWSGI_IF_ENV", "FOO"),
    ("UWSGI_ENDIF", ""),
    ("UWSGI_FOR", "1 2"),
    ("UWSGI_A", "%(b)"),
    ("UWSGI_DECLARE_OPTION", "site=set=a=$1"),
    ("UWSGI_SITE", "x"),
    ("UWSGI_", "x"),
    ("UWSGI_a__b", "1"),
    ("UWSGI_MASTER", ""),
    ("UWSGI_PROCESSES", "2"),
    ("UWSGI_BROODLORD_NUM", "1"),
    ("UWSGI_STRICT", "false"),
    ("UWSGI_BLACKLIST", "zz"),
    ("uwsgi_B", "1"),
];

pub fn environment(random: &mut Random) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut environment = vec![
        ("FOO", "bar"),
        ("V", "<%(b)>"),
        ("W", "$(FOO)@(f)"),
        ("EMPTY", ""),
        ("F", "f"),
    ];
    while random.once_in(4) {
        let variable = random.pick(OPTIONS);
        if !environment.contains(&variable) {
            environment.push(variable);
        }
    }
    environment
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

pub fn arguments(random: &mut Random, kind: Kind) -> Vec<Vec<u8>> {
    let words = match kind {
        Kind::Grammar if random.once_in(2) => free(random),
        Kind::Grammar | Kind::Mutated | Kind::Soup => vec!["--ini", "case.ini"],
        Kind::Vassal => vassal(random),
    };
    words.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A command line as somebody may type it.
fn free(random: &mut Random) -> Vec<&'static str> {
    let mut words = Vec::new();
    for _ in 0..1 + random.below(4) {
        match random.below(8) {
            0 => words.extend(["--include", random.pick(BY_ENDING[0])]),
            1 => words.extend(["--inherit", random.pick(BY_ENDING[0])]),
            2 => words.extend(["--ini", random.pick(FILES[1])]),
            3 => words.push(random.pick(BY_ENDING[1])),
            4 if random.once_in(4) => words.extend(random.pick(WRONG)),
            _ => words.extend(random.pick(WORDS)),
        }
    }
    words.extend(["--ini", "case.ini"]);
    if random.once_in(4) {
        words.extend(["--endif=x", "--set", "last=%(a)"]);
    }
    words
}

/// What the Emperor writes: inherit-before, include-before, set, the file, inherit, include (V1).
fn vassal(random: &mut Random) -> Vec<&'static str> {
    const SETS: &[&str] = &[
        "a=1",
        "a=%(b)",
        "foo=x y",
        "processes=2",
        "c=$(FOO)",
        "b=%n",
        "site==",
        "strict=1",
    ];
    let mut words = Vec::new();
    let mut some = |random: &mut Random, option: &'static str, values: &[&'static str]| {
        for _ in 0..random.below(4) / 2 {
            words.extend([option, random.pick(values)]);
        }
    };
    some(random, "--inherit", BY_ENDING[1]);
    some(random, "--include", BY_ENDING[1]);
    some(random, "--set", SETS);
    let at = words.len();
    let mut some = |random: &mut Random, option: &'static str| {
        for _ in 0..random.below(2) {
            words.extend([option, random.pick(BY_ENDING[1])]);
        }
    };
    some(random, "--inherit");
    some(random, "--include");
    words.splice(at..at, ["--ini", "case.ini"]);
    words
}
