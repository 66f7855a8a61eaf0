//! Options that change the list or end the evaluation.

use crate::language::testing::{evaluated, listed};
use crate::machine::fake::FakeWorld;

fn world() -> FakeWorld {
    FakeWorld::with(&[
        ("ed/FOO", "from dir \t\nand on \r\n"),
        ("ed/HOME", ""),
        ("ed/.HID", "x"),
        ("ed/NUL", "a\0b"),
        ("bad/A=B", "x"),
        ("/plugins/psgi_plugin.so", ""),
        ("b.ini", "[uwsgi]\nb=1\n"),
    ])
    .set("HOME", "/root")
    .set("FOO", "old")
}

#[test]
fn options_take_effect() {
    const CASES: &[(&str, &str, &str)] = &[
        (
            "P1 set adds through the block",
            "set=if-env=NO\na=1\nset=endif=\nendif\nb=1",
            "set=if-env=NO if-env=NO endif= b=1",
        ),
        ("P1 nothing is trimmed", "set= c = 1", "set=c = 1 c = 1"),
        (
            "P2 a placeholder has no effect",
            "set-ph=end=1\nset-ph=x=%(y)\ny=1",
            "set-ph=end=1 end=1 set-ph=x=%(y) x=%(y) y=1",
        ),
        (
            "K1 a declared option",
            "declare-option=s=set=a=$1;ini=b.ini\ns=x y",
            "declare-option=s=set=a=$1;ini=b.ini s=x y a=x b=1",
        ),
        (
            "K2 the first declaration counts",
            "declare-option=s=set=a=1\ndeclare-option=s=set=a=2\nset=s=",
            "declare-option=s=set=a=1 declare-option=s=set=a=2 set=s= s= a=1",
        ),
        (
            "K2 a part may open a block",
            "declare-option=s=if-env=NO;set=a=1;endif=\ns=\nx=1\nend\ny=1",
            "declare-option=s=if-env=NO;set=a=1;endif= s= end= y=1",
        ),
        (
            "E5 early-envdir",
            "early-envdir=ed\na=[$(FOO)] $(HOME) $(.HID) $(NUL)",
            "early-envdir=ed a=[from dir \t\nand on] $(HOME) $(.HID) a",
        ),
        (
            "resolve",
            "resolve=h=localhost\na=%(h)",
            "resolve=h=localhost h=127.0.0.1 a=127.0.0.1",
        ),
        (
            "U2 strict spares set-ph",
            "strict\nset-ph=a=1\nif-env=NO\nx=1\nend-if",
            "strict= set-ph=a=1 a=1 if-env=NO end-if=",
        ),
        (
            "U2 strict knows a plugin's options",
            "strict\nplugin=psgi\npsgi=x",
            "strict= plugin=psgi psgi=x",
        ),
        (
            "U4 a blacklist ends",
            "blacklist=A b\nend-blacklist\na=1",
            "blacklist=A b end-blacklist= a=1",
        ),
        (
            "U3 a missing plugin is only logged",
            "plugin=nope\na=1",
            "plugin=nope a=1",
        ),
    ];
    for (rule, text, wanted) in CASES {
        assert_eq!(listed(&world(), text), *wanted, "{rule}");
    }
}

#[test]
fn what_uwsgi_refuses_is_refused() {
    const CASES: &[(&str, &str)] = &[
        ("set=novalue", "main.ini:2: 'set' takes KEY=VALUE, not 'novalue'"),
        (
            "set-ph=socket=1",
            "main.ini:2: 'socket' is an option, and cannot be a placeholder",
        ),
        (
            "declare-option=s=set=a=1\nset-ph=s=1",
            "main.ini:3: 's' is an option, and cannot be a placeholder",
        ),
        (
            "declare-option=foo",
            "main.ini:2: 'declare-option' takes NAME=TEMPLATE, not 'foo'",
        ),
        (
            "declare-option=s=s=1\ns=1",
            "main.ini:3: declared option 's' runs itself",
        ),
        (
            "strict\nfoo=1",
            "main.ini:3: there is no option 'foo' (strict is on)",
        ),
        (
            "foo=1\nstrict",
            "main.ini:2: there is no option 'foo' (strict is on)",
        ),
        (
            "strict\npsgi=x",
            "main.ini:3: there is no option 'psgi' (strict is on; the plugin 'psgi' has it: add 'plugin = psgi' before this line)",
        ),
        (
            "strict\nend",
            "main.ini:3: there is no option 'end' (strict is on)",
        ),
        (
            "blacklist=a SOCKET\nif-env=NO\nsocket=:0",
            "main.ini:4: option 'socket' is forbidden by the blacklist",
        ),
        (
            "whitelist=a\nend-whitelist",
            "main.ini:3: option 'end-whitelist' is forbidden by the whitelist",
        ),
        ("need-plugin=psgi,nope", "main.ini:2: cannot find plugin 'nope'"),
        (
            "chmod-socket=0660",
            "main.ini:2: 'chmod-socket' takes three octal digits or 1, not '0660'",
        ),
        (
            "n=-1\nprocesses=%(n)",
            "main.ini:3: 'processes' takes a number that is not negative, not '-1'",
        ),
        (
            "early-envdir=nope",
            "main.ini:2: cannot read 'nope': No such file or directory",
        ),
        (
            "early-envdir=bad",
            "main.ini:2: cannot set a variable named 'A=B'",
        ),
        (
            "resolve=h=no.where",
            "main.ini:2: cannot resolve 'no.where': No such file or directory",
        ),
        (
            "stop=/run/x.pid",
            "main.ini:2: 'stop' makes uWSGI do something else and end",
        ),
        (
            "if-env=HOME\nif-env=FOO",
            "main.ini:3: 'if-env' stands in another block, and blocks do not nest",
        ),
    ];
    for (text, wanted) in CASES {
        assert_eq!(listed(&world(), text), *wanted);
    }
}

#[test]
fn endless_templates_are_refused() {
    let text: String = (0..8).map(tenfold).collect();
    let error = listed(&world(), &format!("{text}n0=1"));
    assert!(error.contains("runs too long"), "{error}");
}

/// An option that runs the next one ten times.
fn tenfold(index: usize) -> String {
    let part = format!("n{}=1;", index + 1);
    format!("declare-option=n{index}={}\n", part.repeat(10))
}

#[test]
fn names_of_an_unknown_plugin_pass_strict_with_a_warning() {
    let mut world = world();
    world
        .files
        .insert(b"/plugins/mine_plugin.so".to_vec(), Vec::new());
    world.files.insert(
        b"main.ini".to_vec(),
        "[uwsgi]\nplugin=mine\nstrict\nmine-opt=1".into(),
    );
    let found = evaluated(&world, "--ini main.ini").expect("is accepted");
    let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
    let wanted = "main.ini:4: there is no option 'mine-opt' in the tables, ignoring (strict is on; a plugin may know it)";
    assert_eq!(warnings, [wanted]);
}
