//! What vassalctl(8) says of the JSON, compared with what the program writes.

use crate::machine::{Machine, VASSALS, vassalctl};
use crate::page::{all_named, bold, section};
use serde_json::Value;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../packaging/man/vassalctl.8");

/// The names in an object, and in those within it but for `counts`, which has what is counted in their place.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            let others = fields.iter().filter(|(name, _)| *name != "counts");
            others.for_each(|(_, value)| names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_field_of_the_json_is_in_the_manual() {
    let machine = Machine::new();
    machine.vassal(
        "a",
        "[uwsgi]\nuid = user001\nunknwn = 1\nexec-as-user = true\nexec-as-user-atexit = true\nmountpoint-check = /app\n\
         http-socket = :80\npsgi = a\n[Service]\nMemoryMax = 1G\n",
    );
    let options = vassalctl(&["options", "--json"]).output().unwrap();
    let options = serde_json::from_slice(&options.stdout).unwrap();
    let mut found = BTreeSet::new();
    for report in [
        machine.say("check", &["--json", VASSALS]).json(),
        machine.say("show", &["a", "--json"]).json(),
        machine.say("migrate", &["--json", VASSALS]).json(),
        options,
    ] {
        names(&report, &mut found);
    }
    // An object of each list was there.
    for field in [
        "column", "detail", "given", "deadline", "backlog", "remark", "alias_of",
    ] {
        assert!(found.contains(field), "no {field} in {found:?}");
    }
    all_named(&found, &bold(section(PAGE, ".SH JSON")), "JSON of vassalctl(8)");
}
