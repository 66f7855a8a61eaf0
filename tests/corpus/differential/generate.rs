//! Configurations grown from the grammar of the dialect: logic, sections, includes, references, `set`, declared options.

use std::fmt;

use crate::random::Random;
use crate::soup;

/// What printed lines start with, to be told from the log.
pub const MARK: &[u8] = b"PRN";

/// One case: files, arguments and environment.
pub struct Case {
    pub files: Vec<(String, Vec<u8>)>,
    pub links: Vec<(String, String)>,
    pub args: Vec<Vec<u8>>,
    pub environment: Vec<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |bytes: &[u8]| bytes.escape_ascii().to_string();
        for (name, value) in &self.environment {
            writeln!(out, "env {}={}", show(name), show(value))?;
        }
        writeln!(
            out,
            "args {:?}",
            self.args.iter().map(|arg| show(arg)).collect::<Vec<_>>()
        )?;
        for (name, text) in &self.files {
            writeln!(out, "== {name}\n{}", show(text).replace("\\n", "\n"))?;
        }
        Ok(())
    }
}

/// Names that are placeholders, and some that are options without consequence before the first hook.
const KEYS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "long name",
    "a",
    "b",
    "c",
    "foo",
    "site",
    "env",
    "procname",
    "master",
    "vacuum",
    "processes",
    "chdir",
    "hook-as-user",
    "mount-as-root",
    "exec-as-root",
    "touch-reload",
    "pidfile",
    "max-requests",
    "",
    "end-x",
    "else",
];

const NAMES: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "e",
    "foo",
    "site",
    "nope",
    "long name",
    "processes",
    "ini",
    "_",
    "a + b",
    "a ++",
    "5 * b",
    "foo a",
    "a - 7 / 2",
];

const VARIABLES: &[&str] = &["FOO", "V", "W", "EMPTY", "NOPE", "HOME", "EARLY"];

/// What `ini` names, by how deep the file stands that names it: files that include themselves only crash uWSGI.
const FILES: &[&[&str]] = &[
    &[
        "b.ini",
        "c.ini",
        "sub/d.ini",
        "b.ini:s",
        "c.ini:t",
        ":s",
        ":t",
        "case.ini:t",
        "link.ini",
        "exec://cat c.ini:s",
    ],
    &[
        "c.ini",
        "sub/d.ini",
        "c.ini:t",
        ":s",
        "sub/d.ini:",
        "link.ini",
        "exec://cat c.ini",
    ],
    &["sub/d.ini", ":t", "sub/d.ini:s", "link.ini"],
    &["link.ini:s", "sub/d.ini:t"],
];

/// The same for `include`, where the ending counts.
const BY_ENDING: &[&[&str]] = &[
    &["b.ini", "c.ini", "sub/d.ini", "link.ini", "exec://cat b.ini"],
    &["c.ini", "sub/d.ini", "exec://cat c.ini"],
    &["sub/d.ini", "link.ini"],
    &["empty.ini"],
];

const SOURCES: &[&str] = &[
    "f",
    "g",
    "two",
    "empty",
    "exec://echo x y",
    "$(F)",
    "g",
    "f",
    "missing",
];

const OPENERS: &[&str] = &[
    "for = 1 2",
    "for = x",
    "for =",
    "for-times = 2",
    "for-times = 0",
    "for-readline = two",
    "for-readline = g",
    "for-glob = sub/*",
    "for-glob = *.none",
    "for-glob = [bc].ini",
    "if-env = FOO",
    "if-env = NOPE",
    "if-env = FOO=bar",
    "if-env = EARLY",
    "if-not-env = FOO",
    "if-not-env = NOPE",
    "if-opt = a",
    "if-opt = b=1",
    "if-opt = foo",
    "if-not-opt = c",
    "if-not-opt = a",
    "if-exists = f",
    "if-exists = nope",
    "if-not-exists = nope",
    "if-file = sub",
    "if-dir = sub",
    "if-not-dir = sub",
    "ifdir = f",
    "if-file = link.ini",
    "if-exists = dangling",
    "if-reload",
    "if-not-reload =",
    "if-hostname = nope",
    "if-not-hostname = nope",
    "if-hostname-match = .",
    "if-not-hostname-match = ^$",
    "if-plugin = psgi",
    "if-not-plugin = psgi",
    "ifenv = FOO",
];

/// Patterns for `for-glob`, over the files of [`tree`].
const GLOBS: &[&str] = &[
    "tree/*",
    "tree/?",
    "tree/[a-c]*",
    "tree/[!a-c]*",
    "tree/.*",
    "tree/*/x",
    "*/*",
    "tree/b",
    "tree/b/",
    "tree//*",
    "./tree/a*",
    "tree/../tree/a",
    "tree/[[:upper:]]",
    "tree/\\*",
    "tree/[",
    "tree/[x",
    "tree/[]]",
    "tree/dang*",
    "tree/nope",
    "tree/b/*/",
    "[bc].ini",
    "tree/*b",
    "*",
    "/usr/lib/uwsgi/plug*",
    "tree/a-*",
    "tree/[a-]*",
    "tree/\\a",
    "tree/b/.",
    "tree/?*?",
    "tree/b*/",
    "nope/",
    "?/",
    "zz*//",
    "//zz*",
    "tree//",
    "*/",
    "tree/d*/",
    "tree/a/",
    "/",
];

const OPERANDS: &[&str] = &[
    "a",
    "b",
    "foo",
    "nope",
    "5",
    "007",
    "-5",
    "12abc",
    "9223372036854775807",
    "",
    "x=y",
    "0",
];

const OPERATORS: &[&str] = &["+", "-", "*", "/", "++", "--", "", "+ +", "- *", "+-"];

const ENDS: &[&str] = &["endif", "endif =", "end-if", "endfor", "end-for = x", "end"];

const MAGIC: &[&str] = &[
    "%n", "%s", "%e", "%o", "%x", "%p", "%d", "%c", "%0", "%1", "%2", "%9", "%v", "%u", "%U", "%g", "%G",
    "%k", "%V", "%b", "%j", "%i", "%h", "%N", "%S", "%O", "%X", "%P", "%D", "%C", "%E", "%J", "%I", "%%",
    "%%(a)", "% ", "%q", "%[",
];

const DECLARATIONS: &[&str] = &[
    "site=set=a=$1;set=b=$2$1",
    "foo=set-ph=c=$1;print=PRN$1",
    "site=ini=$1.ini",
    "foo=if-env=$1;set=d=1;endif=",
    "foo=site=$1 $1;set=e=$2",
    "foo=set=x$1=%(a)",
    "a=set=b=$1",
    "site=processes=$1;junk;set=a=1",
    "foo=for=1 2;set=a=%(_)$1",
];

const TEXTS: &[&str] = &[
    "1",
    "2",
    "17",
    "x",
    "hello world",
    "-3",
    "on",
    "false",
    "0",
    "x=y",
    "a b",
    "\u{e4}",
    "b.ini",
    "/tmp",
    "a;b",
    "",
];

/// References that are nested, open or none.
const ODD: &[&str] = &[
    "%(zz",
    "%(%(foo))",
    ")",
    "$$(FOO)",
    "%(z%(foo))",
    "$(F@O)",
    "@ ",
    "%((a))",
    "%(foo)%(foo)",
];

/// One case: mostly grammar, sometimes soup.
pub fn case(random: &mut Random) -> Case {
    let is_soup = random.once_in(3);
    let mut files = Vec::new();
    let mut file = |name: &str, text: Vec<u8>| files.push((name.to_owned(), text));
    if is_soup {
        file("case.ini", soup::text(random));
    } else {
        file("case.ini", configuration(random, 0));
        file("b.ini", configuration(random, 1));
        file("c.ini", configuration(random, 2));
        file("sub/d.ini", configuration(random, 3));
        file("empty.ini", Vec::new());
    }
    file("f", b"content %(a)\n".to_vec());
    file("g", b"%(b)$(FOO)".to_vec());
    file("two", b"l1\n  l2 %(a)\r\n\nl4".to_vec());
    file("empty", Vec::new());
    file("ed/EARLY", b"early \n".to_vec());
    file(
        "ed/FOO",
        if random.once_in(2) {
            b"changed".to_vec()
        } else {
            Vec::new()
        },
    );
    for name in [
        "a", "a.b", "a-/x", "b/x", "b.c", "b-", "A", "[x]", "]", "*", ".hid", "c",
    ] {
        file(&format!("tree/{name}"), b"1\n".to_vec());
    }
    file("long", b"y".repeat(random.below(3000)));
    let links = [
        ("link.ini", "sub/d.ini"),
        ("dangling", "nowhere"),
        ("tree/dangling", "nowhere"),
        ("tree/dir", "b"),
    ];
    Case {
        files,
        links: links
            .iter()
            .map(|(name, target)| (name.to_string(), target.to_string()))
            .collect(),
        args: arguments(random, is_soup),
        environment: environment(random),
    }
}

fn environment(random: &mut Random) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut environment = vec![
        ("FOO", "bar"),
        ("V", "<%(b)>"),
        ("W", "$(FOO)@(f)"),
        ("EMPTY", ""),
        ("F", "f"),
    ];
    if random.once_in(6) {
        environment.push(("UWSGI_FOO", "%(a)$(FOO)"));
        environment.push(("UWSGI_LONG_Name", "1"));
        environment.push(("UWSGI_VASSALS_DIR", "/x"));
    }
    if random.once_in(6) {
        environment.push(("UWSGI_RELOADS", "1"));
    }
    environment
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()))
        .collect()
}

fn arguments(random: &mut Random, is_soup: bool) -> Vec<Vec<u8>> {
    let mut args: Vec<Vec<u8>> = Vec::new();
    let mut push = |words: &[&str]| args.extend(words.iter().map(|word| word.as_bytes().to_vec()));
    if is_soup || random.once_in(2) {
        push(&["--ini", "case.ini"]);
        return args;
    }
    for _ in 0..1 + random.below(4) {
        match random.below(11) {
            0 => push(&["--set", "a=%(b)"]),
            1 => push(&["--include", random.pick(BY_ENDING[0])]),
            2 => push(&["--inherit", random.pick(BY_ENDING[0])]),
            3 => push(&["--ini", random.pick(FILES[1])]),
            4 => push(&["c.ini"]),
            5 => push(&["-p", "3", "--max-req=4"]),
            6 => push(&["--if-env=NOPE", "--set=q=1"]),
            7 => push(&["--for", "1 2", "--set-ph", "r%(_)=%(_)"]),
            8 => push(&["--endif="]),
            9 => push(&["--master", "-M", "--procname-pre=x"]),
            _ => push(&["--ini", "case.ini"]),
        }
    }
    push(&["--ini", "case.ini"]);
    if random.once_in(4) {
        push(&["--endif=x", "--set", "last=%(a)"]);
    }
    args
}

/// A file of some lines, now and then with a second section, and with odd line ends. The deeper it stands, the fewer lines.
fn configuration(random: &mut Random, depth: usize) -> Vec<u8> {
    let mut text = b"[uwsgi]\n".to_vec();
    for _ in 0..1 + random.below(20 / (2 * depth + 1)) {
        let lines = if random.once_in(5 + 5 * depth) {
            block(random, depth)
        } else {
            vec![line(random, depth)]
        };
        for line in lines {
            text.extend(line.into_bytes());
            text.extend_from_slice(if random.once_in(20) { b"\r\n" } else { b"\n" });
        }
        if random.once_in(12) {
            text.extend_from_slice(random.pick(&[
                &b"[s]\n"[..],
                b"[t]\n",
                b"[uwsgi]\n",
                b"[uwsgi] \n",
                b"[other\n",
            ]));
        }
    }
    text
}

/// A block that is closed, as most are.
fn block(random: &mut Random, depth: usize) -> Vec<String> {
    let opener = match random.below(6) {
        0 => format!("for-glob = {}", random.pick(GLOBS)),
        _ => random.pick(OPENERS).to_owned(),
    };
    let mut lines = vec![opener];
    for _ in 0..1 + random.below(3) {
        lines.push(line(random, depth));
    }
    lines.push(random.pick(ENDS).to_owned());
    lines
}

fn line(random: &mut Random, depth: usize) -> String {
    match random.below(40) {
        0..=21 => {
            let key = random.pick(KEYS);
            format!("{key} = {}", value(random, key))
        }
        22 => random.pick(OPENERS).to_owned(),
        23 | 24 => random.pick(ENDS).to_owned(),
        25 | 26 => format!("ini = {}", random.pick(FILES[depth])),
        27 => format!("include = {}", random.pick(BY_ENDING[depth])),
        28 => format!("inherit = {}", random.pick(BY_ENDING[depth])),
        29 | 30 => {
            let key = random.pick(KEYS);
            format!("set = {key}={}", value(random, key))
        }
        31 => {
            let key = random.pick(NAMES);
            format!(
                "{} = {key}={}",
                random.pick(&["set-ph", "set-placeholder"]),
                value(random, key)
            )
        }
        32 => format!(
            "{} = {}",
            random.pick(&["declare-option", "declare-option", "declare-option2"]),
            random.pick(DECLARATIONS)
        ),
        33 => format!("{} = PRN{}", random.pick(&["print", "iprint"]), value(random, "")),
        34 => format!("set = {}", random.pick(OPENERS)),
        35 => format!("; {}", value(random, "")),
        36 => random.pick(KEYS).to_owned(),
        _ => rare(random),
    }
}

fn rare(random: &mut Random) -> String {
    const LINES: &[&str] = &[
        "strict = true",
        "strict",
        "strict = off",
        "blacklist = a e",
        "end-blacklist",
        "whitelist = a b set endif end-whitelist",
        "end-whitelist =",
        "early-envdir = ed",
        "inject-before = g",
        "inject-after = f",
        "plugin = psgi",
        "plugin = nope",
        "exit = 7",
        "need-plugin = nope",
        "chmod-socket = 660",
        "chmod-socket = 6",
        "unshare = pid,net",
        "unshare = no",
        "processes = -1",
        "cap = net_raw,nope",
        "socket =",
        "for = a b",
        "site = x y",
        "foo = 1",
        "site = %(a) b",
        "foo = $(FOO)",
        "set = endif=1",
        "set = end=",
        "resolve = a=127.0.0.1",
        "if-env =",
    ];
    random.pick(LINES).to_owned()
}

/// A value of some pieces for a key. Most references lead to names further on in the alphabet: one that leads back grows
/// until uWSGI has no memory left, and then there is nothing to compare.
fn value(random: &mut Random, key: &str) -> String {
    let mut value = String::new();
    for _ in 0..1 + random.below(3) {
        match random.below(12) {
            0..=3 => value.push_str(random.pick(TEXTS)),
            4..=6 => value.push_str(&format!("%({})", reference(random, key))),
            7 => value.push_str(&format!("$({})", random.pick(VARIABLES))),
            8 => value.push_str(&format!("@({})", random.pick(SOURCES))),
            9 => value.push_str(random.pick(MAGIC)),
            10 if random.once_in(2) => value.push_str(&format!("%({})", expression(random))),
            10 => value.push_str("%(_)"),
            _ => value.push_str(random.pick(ODD)),
        }
    }
    value
}

/// `a + 5 ++` and the like.
fn expression(random: &mut Random) -> String {
    let mut words = vec![random.pick(OPERANDS)];
    for _ in 0..1 + random.below(4) {
        words.push(random.pick(OPERATORS));
        words.push(random.pick(OPERANDS));
    }
    words.join(" ")
}

fn reference(random: &mut Random, key: &str) -> &'static str {
    let names: Vec<&str> = NAMES
        .iter()
        .copied()
        .filter(|name| name.bytes().next() > key.bytes().next())
        .collect();
    if names.is_empty() || random.once_in(30) {
        random.pick(NAMES)
    } else {
        random.pick(&names)
    }
}
