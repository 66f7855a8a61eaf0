//! What the documents say, compared with the sources: names, numbers, paths, and who may import whom.
#![forbid(unsafe_code)]
#![allow(clippy::expect_used)]

mod documents;
mod filesystems;
mod imports;
mod layout;
mod page;
mod rooms;
mod rules;
mod text;

use page::{all_named, between, bold, section, words};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};
use text::{files, quoted, read, root};
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::settings::{Emperor, SETTINGS as EMPERORS};
use vassal_config::hooks::mountflags::{MOUNT_WORDS, UMOUNT_WORDS};
use vassal_config::hooks::parse::{ACTIONS, CALLS, INSIDE_UWSGI};
use vassal_config::hooks::phase::hook_option;
use vassal_config::language::evaluation::entry::Entry;
use vassal_config::options::disposition::Disposition;
use vassal_config::options::row::OptionRow;
use vassal_config::options::table::OPTIONS;
use vassal_config::unit::directives::OURS;
use vassal_config::vassal::settings::SETTINGS;
use vassal_config::vassal::socket::LISTENING;
use vassal_state::health::{Health, Mount, Program, State};
use vassal_sys::denied_calls::{DENIED, DENIED_WITH_NEWUSER, OPEN_TREE_ATTR};
use vassal_systemd::variables::OF_SERVICE;
use vassal_systemd::{events, exit, status, verdicts};

const INI: &str = "packaging/man/vassal.ini.5";
const HEALTH: &str = "packaging/man/vassal-health.7";

#[test]
fn every_message_id_has_a_catalog_entry_and_every_entry_a_message() {
    let catalog = read("units/vassal.catalog");
    let entries: BTreeSet<_> = catalog
        .lines()
        .filter_map(|line| line.strip_prefix("-- "))
        .map(str::to_owned)
        .collect();
    assert!(!entries.is_empty());
    for id in &entries {
        let digits = id
            .bytes()
            .filter(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
            .count();
        assert_eq!(
            (digits, id.len()),
            (32, 32),
            "{id} is not 32 small hexadecimal digits"
        );
    }
    let ids = events::ALL.iter().map(|event| event.id.to_owned());
    assert_eq!(
        ids.collect::<BTreeSet<_>>(),
        entries,
        "vassal_systemd::events (left) and units/vassal.catalog (right)"
    );
    let page = read(HEALTH);
    for event in events::ALL {
        let row = format!("{}\tT{{\n{}\nT}}\n", event.id, event.what);
        assert!(page.contains(&row), "{row:?} is not in vassal-health(7)");
    }
}

#[test]
fn every_verdict_is_in_the_manual() {
    let page = read(HEALTH);
    let (about, fields) = (section(&page, ".SH VERDICTS"), section(&page, ".SH JOURNAL"));
    for row in verdicts::ALL.into_iter().chain(verdicts::OF_APP) {
        let word = row.word;
        assert!(
            about.contains(&format!(".TP\n.B {word}\n")),
            "{word} is not explained"
        );
        let is_named = |line: &str| line.strip_prefix(".B").is_some_and(|rest| rest.contains(word));
        assert!(fields.lines().any(is_named), "{word} is not among the fields");
        assert!(row.event.what.contains(word), "{row:?}");
    }
}

#[test]
fn every_sentence_of_the_status_line_is_in_the_manual() {
    let (health, enter) = (read(HEALTH), read("packaging/man/vassal-enter.8"));
    let lines: Vec<_> = [&health, &enter]
        .into_iter()
        .flat_map(|page| page.lines())
        .map(|line| line.replace('\\', ""))
        .collect();
    for sentence in status::ALL {
        assert!(
            lines.iter().any(|line| sentence.is_of(line)),
            "{sentence:?} is in no manual"
        );
    }
    let all = verdicts::ALL.into_iter().chain(verdicts::OF_APP);
    for sentence in all.flat_map(|row| row.sentences) {
        let said = |line: &str| line.split_once(' ').is_some_and(|(_, line)| sentence.is_of(line));
        assert!(
            section(&health, ".SH STATUS LINE").lines().any(said),
            "{sentence:?} is in no manual"
        );
    }
    for sentence in [
        status::HEALTHY,
        status::APP_HEALTHY,
        status::APP_FAILING,
        status::APP_NOT_ASKED,
        status::NO_RESTARTS,
        status::ONE_RESTART,
        status::RESTARTS,
    ] {
        let parts = lines.iter().flat_map(|line| line.split("; "));
        assert!(
            parts.into_iter().any(|part| sentence.is_of(part)),
            "{sentence:?} is in no manual"
        );
    }
}

#[test]
fn every_setting_is_in_the_manual() {
    let page = read(INI).replace("\\-", "-");
    let page = section(&page, ".SH THE [VASSAL] SECTION");
    for (setting, _) in SETTINGS {
        assert!(
            page.contains(&format!(".BI {setting}= ")),
            "[vassal] {setting} is not in vassal.ini(5)"
        );
    }
}

#[test]
fn every_hook_action_and_mount_flag_is_in_the_manual() {
    let actions = ACTIONS.iter().chain(CALLS).map(|row| row.name);
    let mounts = MOUNT_WORDS.iter().map(|(word, _)| *word);
    let umounts = UMOUNT_WORDS.iter().map(|(word, _)| *word);
    let names = actions.chain(INSIDE_UWSGI).chain(mounts).chain(umounts);
    all_named(
        &names.map(str::to_owned).collect(),
        &bold(section(&read(INI), ".SH HOOK ACTIONS")),
        "HOOK ACTIONS of vassal.ini(5)",
    );
}

#[test]
fn every_option_that_is_refused_or_taken_is_in_the_manual() {
    let page = read(INI);
    let uwsgi = section(&page, ".SH THE [UWSGI] SECTION");
    let (taken, refused) = uwsgi
        .split_once(".SS Options that are refused")
        .expect("a list of refused options");
    all_named(
        &named(|row| row.disposition == Disposition::Refused),
        &bold(refused),
        "the refused options of vassal.ini(5)",
    );
    let is_hook = |name: &str| hook_option(name.as_bytes()).is_some();
    let is_other_name = |name: &str| name.contains("iface") || name.starts_with("wait-interface");
    let ours = named(|row| {
        let is_ours = matches!(
            row.disposition,
            Disposition::Enter | Disposition::Watchdog | Disposition::Unit
        );
        is_ours && !is_hook(row.name) && !is_other_name(row.name)
    });
    all_named(
        &ours,
        &bold(taken),
        "the options of vassal.ini(5) that vassal takes",
    );
    let listening = LISTENING.iter().map(|id| id.name().to_owned()).collect();
    all_named(&listening, &bold(taken), "the sockets of vassal.ini(5)");
}

/// The names of the options whose rows are `wanted`.
fn named(wanted: impl Fn(&OptionRow) -> bool) -> BTreeSet<String> {
    let rows = OPTIONS.iter().filter(|row| wanted(row));
    rows.map(|row| row.name.to_owned()).collect()
}

/// Whether the emperor's file may have the option; one of its names is enough for the manual.
#[test]
fn every_option_of_the_emperor_is_in_the_manual() {
    let page = read(INI);
    let page = words(&bold(section(&page, ".SH EMPEROR.INI")));
    let is_taken = |row: &&OptionRow| {
        let entry = Entry::new(row.name.into(), Some(b"/x".to_vec()), Origin::CommandLine);
        let is_of_emperor = match Emperor::from_entries(&[entry]) {
            Ok((_, warnings)) => !warnings
                .iter()
                .any(|warning| warning.message.contains("is not supported")),
            Err(_) => true,
        };
        is_of_emperor
            && row.disposition != Disposition::Language
            && hook_option(row.name.as_bytes()).is_none()
    };
    let taken: BTreeSet<_> = OPTIONS.iter().filter(is_taken).map(|row| row.canonical).collect();
    assert!(taken.len() > 20, "{taken:?}");
    let is_named = |canonical: &&str| {
        let mut rows = OPTIONS.iter().filter(|row| row.canonical == *canonical);
        rows.any(|row| page.contains(row.name))
    };
    let missing: Vec<_> = taken.iter().filter(|canonical| !is_named(canonical)).collect();
    assert!(
        missing.is_empty(),
        "not in EMPEROR.INI of vassal.ini(5): {missing:?}"
    );
}

#[test]
fn every_denied_system_call_is_in_the_manual() {
    let lists = DENIED
        .iter()
        .chain(DENIED_WITH_NEWUSER)
        .chain([&OPEN_TREE_ATTR.0]);
    let calls: BTreeSet<_> = lists.map(|name| (*name).to_owned()).collect();
    assert!(calls.len() > 20, "{calls:?}");
    let page = read(INI).replace("\\-", "-");
    let vassal = section(&page, ".SH THE [VASSAL] SECTION");
    let (_, setting) = vassal
        .split_once(".BI seccomp= ")
        .expect("a paragraph of seccomp=");
    let denied = bold(between(setting, "EPERM", ".IP"));
    all_named(&calls, &denied, "seccomp= of vassal.ini(5)");
}

#[test]
fn every_refused_directive_is_in_the_manual() {
    let directives: BTreeSet<_> = OURS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let page = read(INI);
    all_named(
        &directives,
        section(&page, ".SH THE [UNIT] AND [SERVICE] SECTIONS"),
        "vassal.ini(5)",
    );
}

#[test]
fn every_exit_code_is_in_the_manual() {
    let page = read("packaging/man/vassal-enter.8");
    let status = section(&page, ".SH EXIT STATUS");
    for code in exit::ALL {
        assert!(
            status.lines().any(|line| line == format!(".B {code}")),
            "exit code {code} is not in vassal-enter(8)"
        );
    }
}

/// The names in an object of JSON, and in those within it.
fn names(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.keys().cloned());
            fields.values().for_each(|value| names(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| names(value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_field_and_state_of_a_health_record_is_in_the_manual() {
    let mut health = Health::new("a".into(), "vassal@a.service".into(), State::Serving);
    health.program = Some(Program {
        version: "1",
        device: 1,
        inode: 1,
    });
    health.mounts = vec![Mount {
        path: "/app".into(),
        fstype: "fuse".into(),
        verdict: "healthy",
        answered: None,
        deadline: Duration::ZERO,
    }];
    let record = serde_json::from_str(&health.json(UNIX_EPOCH)).expect("JSON");
    let mut fields = State::ALL.map(|state| state.word().to_owned()).into();
    names(&record, &mut fields);
    let page = read("packaging/man/vassal-health.7");
    let record = section(&page, ".SH THE HEALTH RECORD");
    all_named(&fields, record, "THE HEALTH RECORD of vassal-health(7)");
}

#[test]
fn every_variable_that_is_not_passed_on_is_in_the_manual() {
    all_named(
        &OF_SERVICE.map(str::to_owned).into(),
        &read("packaging/man/vassal-enter.8"),
        "vassal-enter(8)",
    );
}

#[test]
fn every_setting_of_the_emperor_is_in_the_manual() {
    let settings = EMPERORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let page = bold(section(&read(INI), ".SH EMPEROR.INI"));
    all_named(&settings, &page, "EMPEROR.INI of vassal.ini(5)");
}

#[test]
fn every_page_is_installed_and_every_page_that_is_referred_to_exists() {
    let installs_all = "for page in packaging/man/*.[578]; do";
    assert!(
        read("packaging/files.sh").contains(installs_all),
        "packaging/files.sh has no '{installs_all}'"
    );
    let pages: BTreeSet<_> = files("packaging/man", "").into_iter().collect();
    for page in &pages {
        assert!(
            page.ends_with(['5', '7', '8']),
            "packaging/files.sh does not install {page}"
        );
    }
    for path in files("units", "") {
        for reference in read(&path)
            .split_whitespace()
            .filter_map(|word| word.split_once("man:"))
        {
            let page = reference.1.replace('(', ".").replace(')', "");
            assert!(
                pages.contains(&format!("packaging/man/{page}")),
                "{path} refers to {page}"
            );
        }
    }
}

#[test]
fn every_page_is_named_as_its_file() {
    for path in files("packaging/man", "") {
        let name = path.rsplit('/').next().expect("a name").to_owned();
        let (name, number) = name.rsplit_once('.').expect("a section");
        let page = read(&path);
        let heading = format!(".TH {} {number} ", name.to_uppercase());
        assert!(
            page.lines().any(|line| line.starts_with(&heading)),
            "{path} has no '{heading}'"
        );
        assert!(
            words(section(&page, ".SH NAME").lines().next().unwrap_or_default()).len() > 1,
            "{path} has no name"
        );
    }
}

#[test]
fn every_path_in_the_documents_exists() {
    const TOPS: [&str; 6] = [
        "docs/",
        "generator/",
        "helpers/",
        "packaging/",
        "tests/",
        "units/",
    ];
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md"];
    for document in top.map(str::to_owned).into_iter().chain(files("docs", ".md")) {
        for path in quoted(&read(&document))
            .iter()
            .filter(|text| TOPS.iter().any(|top| text.starts_with(top)))
        {
            assert!(
                root().join(path).exists(),
                "{document} names '{path}', which does not exist"
            );
        }
    }
}

#[test]
fn every_attack_has_a_test_or_a_reason() {
    const ROWS: [(char, u32); 10] = [
        ('A', 13),
        ('B', 19),
        ('C', 12),
        ('D', 12),
        ('E', 8),
        ('F', 9),
        ('G', 15),
        ('H', 16),
        ('I', 12),
        ('J', 5),
    ];
    let document = read("docs/attacks.md");
    let rows: Vec<Vec<_>> = document
        .lines()
        .filter_map(|line| {
            Some(
                line.strip_prefix("| ")?
                    .strip_suffix(" |")?
                    .split(" | ")
                    .collect(),
            )
        })
        .filter(|cells: &Vec<&str>| cells[0] != "row")
        .collect();
    let all = ROWS
        .iter()
        .flat_map(|(part, count)| (1..=*count).map(move |number| format!("{part}{number}")));
    let ids: Vec<_> = rows.iter().map(|cells| cells[0].to_owned()).collect();
    assert_eq!(ids, all.collect::<Vec<_>>());
    for cells in rows {
        let [id, _, _, shown] = cells[..] else {
            panic!("a row of docs/attacks.md has {} cells: {cells:?}", cells.len());
        };
        let is_reason = shown.starts_with("no test: ") || shown.starts_with("no test yet: ");
        assert!(
            is_reason || !quoted(shown).is_empty(),
            "{id}: neither a test nor a reason"
        );
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let sources: String = ["generator", "helpers", "tests"]
        .iter()
        .flat_map(|top| files(top, ".rs"))
        .map(|path| read(&path))
        .collect();
    for document in ["SECURITY.md", "docs/attacks.md"] {
        let text = read(document);
        let names: Vec<_> = quoted(&text)
            .into_iter()
            .filter(|text| text.matches('_').count() > 2)
            .collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            assert!(
                sources.contains(&format!("fn {name}()")),
                "{document} names the test '{name}', which does not exist"
            );
        }
    }
}
