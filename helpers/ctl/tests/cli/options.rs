use std::fs;
use std::path::Path;

use crate::machine::{Said, vassalctl};

fn say(args: &[&str]) -> Said {
    vassalctl(&[&["options"], args].concat()).output().unwrap().into()
}

#[test]
fn the_manual_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/man/vassal-options.7");
    let page = fs::read_to_string(&path).unwrap_or_default();
    let renew = "cargo run -p vassalctl -- options --man >packaging/man/vassal-options.7";
    assert!(
        say(&["--man"]).out == page,
        "packaging/man/vassal-options.7 is stale: {renew}"
    );
}

#[test]
fn an_option_is_told_in_full_and_all_of_them_in_lines() {
    let one = say(&["mount-check"]);
    assert!(
        one.out
            .starts_with("mount-check\n  is       check-mountpoint\n  taker    watchdog\n  why      ")
    );
    assert_eq!((one.code, one.err.as_str()), (0, ""));
    let all = say(&[]).out;
    assert!(all.lines().count() > 700);
    assert!(
        all.lines()
            .any(|line| line.trim_start().starts_with("pivot_root "))
    );
}

#[test]
fn json_is_the_table() {
    let report = say(&["--json"]).json();
    let options = report["options"].as_array().unwrap();
    assert_eq!(options.len(), say(&[]).out.lines().count());
    let uid = options.iter().find(|row| row["name"] == "uid").unwrap();
    assert_eq!(
        [&uid["taker"], &uid["alias_of"]],
        [&"enter".into(), &serde_json::Value::Null]
    );
    assert!(
        options
            .iter()
            .all(|row| row["why"].as_str().is_some_and(|why| !why.is_empty()))
    );
}

#[test]
fn a_name_that_is_none_is_told_with_who_gets_it() {
    let said = say(&["psgi", "uid", "my-own-key"]);
    assert_eq!(said.code, 1);
    let plugin =
        "psgi\n  taker    uwsgi\n  why      an option of a plugin: it needs a line 'plugin = psgi'\nuid\n";
    assert!(said.out.starts_with(plugin), "{said:?}");
    assert_eq!(
        said.err,
        "'my-own-key' is no option: uWSGI gets it as a placeholder\n"
    );
    let near = say(&["proceses", "gevent", "rack", "php-docroot"]);
    assert!(near.err.ends_with("(did you mean 'processes'?)\n"), "{near:?}");
    for line in ["plugin = gevent_python3", "plugin = rack", "plugin = php"] {
        assert!(near.out.contains(line), "{line}: {near:?}");
    }
}

#[test]
fn a_part_of_names_shows_all_of_them_in_lines() {
    let said = say(&["uid", "emperor-on-demand"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{said:?}");
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!(lines[0], "uid", "{said:?}");
    let named = lines
        .iter()
        .filter(|line| line.trim_start().starts_with("emperor-on-demand-"));
    assert!(named.count() >= 3, "{said:?}");
    let report = say(&["--json", "emperor-on-demand"]).json();
    assert!(report["options"].as_array().unwrap().len() >= 3, "{report}");
}
