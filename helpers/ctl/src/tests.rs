//! What vassalctl(8) says, compared with the data that the program has.

#[path = "../../../tests/docs/page.rs"]
mod page;

use crate::reading::rule::Rule;
use crate::render::metrics::{Form, metrics};
use crate::render::vassal_json::Vassals;
use crate::running::cgroup::{Limits, Usage};
use crate::running::fleet::Vassal;
use crate::running::hits::Hits;
use crate::running::record::{Check, Mount, Record};
use crate::state::{Health, Mark, State};
use page::{all_named, bold, section, words};
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../packaging/man/vassalctl.8");

fn set<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_trap_is_in_the_manual_and_every_trap_of_the_manual_exists() {
    let rules = set(Rule::WORDS.iter().copied());
    let traps = section(PAGE, ".SH TRAPS");
    all_named(&rules, &bold(traps), "TRAPS of vassalctl(8)");
    let is_rule = |line: &str| {
        let names = words(line.strip_prefix(".B ")?);
        names.into_iter().find(|word| word.contains('-'))
    };
    let named: BTreeSet<_> = traps.lines().filter_map(is_rule).collect();
    let others = set(["--files-only", "mountpoint-check", "as-user-atexit", "as-user"]);
    assert_eq!(named.difference(&others).cloned().collect::<BTreeSet<_>>(), rules);
}

#[test]
fn every_metric_is_in_the_manual() {
    let page = metrics(&[], 0, Form::Prometheus);
    let family = |line| str::strip_prefix(line, "# TYPE ")?.split(' ').next();
    let names = set(page.lines().filter_map(family));
    let monitoring = bold(section(PAGE, ".SH MONITORING"));
    all_named(&names, &monitoring, "MONITORING of vassalctl(8)");
}

/// A vassal with a mount.
fn vassal() -> Vassal {
    let mut record = Record::default();
    record.mounts.push(Mount::default());
    record.check = Some(Check::default());
    Vassal {
        on_demand: None,
        name: "a".into(),
        instance: "a".into(),
        state: State::Serving,
        health: Health::Healthy,
        marks: Vec::new(),
        file: None,
        record,
        usage: Usage::default(),
        limits: Limits::default(),
        hits: Hits::default(),
    }
}

#[test]
fn a_mount_that_two_checks_watch_has_one_series_of_each_metric() {
    let mut vassal = vassal();
    vassal.record.mounts.push(Mount::default());
    let page = metrics(&[vassal], 0, Form::Prometheus);
    let series = page.lines().filter(|line| line.contains("mountpoint="));
    let mut series: Vec<&str> = series.filter_map(|line| Some(line.rsplit_once(' ')?.0)).collect();
    let all = series.len();
    series.dedup();
    assert!(all > 0 && series.len() == all, "{page}");
}

#[test]
fn every_field_of_a_vassals_json_is_in_the_manual() {
    let vassal = vassal();
    let json = serde_json::to_value(Vassals::new([&vassal].into_iter(), 0)).unwrap();
    let vassal = &json["vassals"][0];
    let objects = [
        &json,
        vassal,
        &vassal["mounts"][0],
        &vassal["check"],
        &vassal["limits"],
        &vassal["hits"],
    ];
    let names = objects.map(|object| object.as_object().unwrap().keys().map(String::as_str));
    let manual = bold(section(PAGE, ".SH JSON"));
    all_named(&set(names.into_iter().flatten()), &manual, "JSON of vassalctl(8)");
}

#[test]
fn every_state_health_and_mark_is_in_the_manual() {
    let states = State::WORDS.map(|(_, word)| word);
    let healths = State::WORDS.map(|(state, _)| Health::of(state, true).word());
    let marks = Mark::WORDS.map(|(_, word)| word);
    let names = set(states.into_iter().chain(healths).chain(marks));
    all_named(&names, PAGE, "vassalctl(8)");
}
