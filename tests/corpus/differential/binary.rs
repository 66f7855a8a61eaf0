//! One case under both: the real binary prints its final list and exits before it binds or forks anything.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::process::{Command, Stdio};

use vassal_config::language::evaluation::evaluate::{Evaluation, evaluate};
use vassal_config::machine::system::System;

use crate::generate::{Case, MARK};

/// How both compare.
pub enum Verdict {
    SameList,
    BothRefuse,
    /// We refuse a regular expression that our matcher cannot judge, and say so (C9); uWSGI takes it.
    NotJudged,
    /// uWSGI died of a signal or had no memory left; there is nothing to compare with.
    Crash,
    Different {
        theirs: String,
        ours: String,
    },
}

/// Makes uwsgi-core show its list at the first hook and exit there.
const SHOW: [&str; 4] = [
    "--hook-asap",
    "call:show_config",
    "--hook-asap",
    "callint:_exit 0",
];

const BEGIN: &[u8] = b";uWSGI instance configuration\n[uwsgi]\n";
const END: &[u8] = b";end of configuration\n";

/// What uwsgi-core may use: some 60 MB are needed with a plugin, and what grows without end ends the sooner the less there is.
const LIMITS: [&str; 3] = ["--as=100000000", "--cpu=2", "--core=0"];

/// What uwsgi-core said, and its exit status, if it was not killed.
struct Output {
    code: Option<i32>,
    text: Vec<u8>,
}

/// What one of them made of a case.
#[derive(PartialEq, Eq)]
struct Result {
    status: i32,
    /// The list as uWSGI shows it.
    list: Option<Vec<u8>>,
    printed: Vec<Vec<u8>>,
}

pub fn compare(case: &Case, directory: &Path) -> Verdict {
    lay_out(case, directory);
    let output = run_theirs(case, directory);
    if is_crash(&output) {
        return Verdict::Crash;
    }
    let theirs = read_theirs(&output);
    let (ours, reason) = match evaluate(&arguments(case), &world(case, directory)) {
        Ok(evaluation) => (read_ours(&evaluation), String::new()),
        Err(error) if error.message.starts_with("cannot decide whether") => return Verdict::NotJudged,
        // What was printed before a refusal is not told.
        Err(error) => (
            Result {
                status: 1,
                list: None,
                printed: theirs.printed.clone(),
            },
            error.to_string(),
        ),
    };
    match theirs == ours {
        true if ours.list.is_some() => Verdict::SameList,
        true => Verdict::BothRefuse,
        false => {
            let theirs = format!("{}\n{}", theirs.shown(), String::from_utf8_lossy(&output.text));
            Verdict::Different {
                theirs,
                ours: format!("{}{reason}", ours.shown()),
            }
        }
    }
}

impl Result {
    fn shown(&self) -> String {
        let list = self
            .list
            .as_deref()
            .map(|list| list.escape_ascii().to_string().replace("\\n", "\n"));
        let printed: Vec<String> = self
            .printed
            .iter()
            .map(|line| line.escape_ascii().to_string())
            .collect();
        format!(
            "status {}, printed {printed:?}\n{}",
            self.status,
            list.unwrap_or_else(|| "no list\n".into())
        )
    }
}

fn lay_out(case: &Case, directory: &Path) {
    for entry in fs::read_dir(directory).expect("the directory is there") {
        let path = entry.expect("it can be listed").path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        }
        .expect("ours");
    }
    for (name, text) in &case.files {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("inside the directory")).expect("a directory");
        fs::write(path, text).expect("a file");
    }
    for (name, target) in &case.links {
        std::os::unix::fs::symlink(target, directory.join(name)).expect("a link");
    }
}

fn arguments(case: &Case) -> Vec<Vec<u8>> {
    SHOW.iter()
        .map(|word| word.as_bytes().to_vec())
        .chain(case.args.iter().cloned())
        .collect()
}

fn environment(case: &Case) -> Vec<(Vec<u8>, Vec<u8>)> {
    let path = (b"PATH".to_vec(), b"/usr/bin:/bin".to_vec());
    std::iter::once(path)
        .chain(case.environment.iter().cloned())
        .collect()
}

fn world(case: &Case, directory: &Path) -> System {
    let mut system = System::new(
        environment(case),
        directory.canonicalize().expect("the directory is there"),
    );
    system.binary = b"/usr/bin/uwsgi-core".to_vec();
    system
}

fn run_theirs(case: &Case, directory: &Path) -> Output {
    // env(1) keeps the order of the variables, which std's Command would sort; the list and the log are one stream.
    let variables = environment(case)
        .into_iter()
        .map(|(name, value)| [name, value].join(&b'='));
    let said = directory.with_extension("said");
    let file = fs::File::create(&said).expect("a file beside the directory");
    let status = Command::new("timeout")
        .args(["--signal=KILL", "10", "prlimit"])
        .args(LIMITS)
        .args(["env", "-i"])
        .args(variables.map(OsString::from_vec))
        .arg("/usr/bin/uwsgi-core")
        .args(arguments(case).into_iter().map(OsString::from_vec))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(file.try_clone().expect("one more descriptor"))
        .stderr(file)
        .status()
        .expect("uwsgi-core, prlimit and timeout are installed");
    Output {
        code: status.code(),
        text: fs::read(&said).expect("the file just written"),
    }
}

/// Died of a signal, or ran out of time or memory. uWSGI reports some of that itself and exits with 1.
fn is_crash(output: &Output) -> bool {
    const WORDS: [&[u8]; 3] = [
        b"Segmentation Fault",
        b"Cannot allocate memory",
        b"std::bad_alloc",
    ];
    output
        .code
        .is_none_or(|status| status == 128 + 11 || status == 128 + 9)
        || WORDS.iter().any(|word| find(&output.text, word).is_some())
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn read_theirs(output: &Output) -> Result {
    let text = &output.text[..];
    let list = find(text, BEGIN).and_then(|begin| {
        let list = &text[begin + BEGIN.len()..];
        find(list, END).map(|end| (begin, &list[..end]))
    });
    let before = &text[..list.map_or(text.len(), |(begin, _)| begin)];
    let printed = before
        .split(|&byte| byte == b'\n')
        .filter(|line| line.starts_with(MARK))
        .map(<[u8]>::to_vec);
    Result {
        status: output.code.unwrap_or(-1),
        list: list.map(|(_, list)| list.to_vec()),
        printed: printed.collect(),
    }
}

fn read_ours(evaluation: &Evaluation) -> Result {
    let line = |entry: &vassal_config::language::evaluation::entry::Entry| {
        [
            &entry.key[..],
            b" = ",
            entry.value.as_deref().unwrap_or(b"true"),
            b"\n",
        ]
        .concat()
    };
    let lines = evaluation
        .printed
        .iter()
        .flat_map(|text| text.split(|&byte| byte == b'\n'));
    Result {
        status: evaluation.exit.unwrap_or(0),
        list: evaluation
            .exit
            .is_none()
            .then(|| evaluation.entries.iter().flat_map(line).collect()),
        printed: lines
            .filter(|line| line.starts_with(MARK))
            .map(<[u8]>::to_vec)
            .collect(),
    }
}
