//! vassal-options(7), written from the table.

use vassal_config::options::disposition::Disposition;
use vassal_config::options::table::OPTIONS;

const HEAD: &str = r#".\" Written by 'vassalctl options --man' from the option table: change that, not this page.
.TH VASSAL-OPTIONS 7 2026-11-22 "vassal @VERSION@" "vassal manual"
.SH NAME
vassal-options \- who takes each option of uWSGI, and why
.SH DESCRIPTION
Every option that uWSGI 2.0 has without plugins, by who takes it when a vassal
is started by
.BR vassal@.service (8)
and not by uWSGI's Emperor.
.I Changed
says what is not as it was there, and
.I Reload
why two apps with the option cannot run side by side, so that a reload of the
vassal is done in place; see
.BR vassal@.service (8).
The same is said for single options by
.BR "vassalctl options" ,
and for the options of files by
.BR "vassalctl migrate" .
.PP
Options of plugins, and names that are no option, go to uWSGI.
"#;

const TAIL: &str = r".SH SEE ALSO
.BR vassalctl (8),
.BR vassal.ini (5),
.BR vassal-compat (7),
.BR vassal-enter (8),
.BR vassal-watchdog (8),
.BR vassal-generator (8)
";

/// The sections in their order, with what stands below the heading.
const SECTIONS: [(Disposition, &str, &str); 9] = [
    (
        Disposition::Enter,
        "TAKEN BY VASSAL-ENTER",
        "uWSGI does not see them.",
    ),
    (
        Disposition::EnterAndUwsgi,
        "TAKEN BY VASSAL-ENTER AND BY UWSGI",
        "Each does its part.",
    ),
    (
        Disposition::Watchdog,
        "TAKEN BY VASSAL-WATCHDOG",
        "uWSGI does not see them.",
    ),
    (
        Disposition::Unit,
        "DIRECTIVES OF THE UNIT",
        "Taken by vassal-generator; uWSGI does not see them.",
    ),
    (
        Disposition::Language,
        "WORDS OF THE CONFIGURATION LANGUAGE",
        "They have had their effect when the file has been read.",
    ),
    (
        Disposition::Emperor,
        "OPTIONS OF THE EMPEROR",
        "They count in emperor.ini, as far as vassal.ini(5) says. In a vassal's file they have no effect, unless it is \
         an Emperor itself.",
    ),
    (
        Disposition::Ignored,
        "WITHOUT EFFECT",
        "What they ask for is so anyway, or is nothing under systemd.",
    ),
    (
        Disposition::Refused,
        "REFUSED",
        "A vassal that has one does not start: leaving it out silently would change what the file means.",
    ),
    (
        Disposition::Uwsgi,
        "PASSED ON TO UWSGI",
        "uWSGI does them, as the vassal's user.",
    ),
];

/// Options that share all that is said about them.
struct Group {
    why: &'static str,
    change: Option<&'static str>,
    exclusive: Option<&'static str>,
    names: Vec<&'static str>,
}

/// The page's source.
pub fn text() -> String {
    let mut text = HEAD.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    for (taker, heading, about) in SECTIONS {
        let groups = groups(taker);
        if groups.is_empty() {
            continue;
        }
        text += &format!(".SH {}\n{}\n", roff(heading), roff(about));
        for group in groups {
            text += &entry(&group);
        }
    }
    text + TAIL
}

fn groups(disposition: Disposition) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for row in OPTIONS.iter().filter(|row| row.disposition == disposition) {
        let known = groups
            .iter_mut()
            .find(|group| (group.why, group.change, group.exclusive) == (row.why, row.change, row.exclusive));
        match known {
            Some(group) => group.names.push(row.name),
            None => groups.push(Group {
                why: row.why,
                change: row.change,
                exclusive: row.exclusive,
                names: vec![row.name],
            }),
        }
    }
    groups
}

fn entry(group: &Group) -> String {
    let mut text = String::from(".PP\n");
    for (at, name) in group.names.iter().enumerate() {
        let comma = if at + 1 < group.names.len() { " ," } else { "" };
        text += &format!(".BR {}{comma}\n", roff(name));
    }
    text += &format!(".RS 4\n{}.\n", roff(&sentence(group.why)));
    if let Some(change) = group.change {
        text += &format!(".br\n.IR Changed :\n{}.\n", roff(change));
    }
    if let Some(why) = group.exclusive {
        text += &format!(".br\n.IR Reload :\nin place; {}.\n", roff(why));
    }
    text + ".RE\n"
}

/// A phrase that begins as a sentence, unless it begins with a name.
fn sentence(phrase: &str) -> String {
    let mut characters = phrase.chars();
    match characters.next() {
        Some(first) if !phrase.starts_with("uWSGI") => first.to_uppercase().chain(characters).collect(),
        Some(_) | None => phrase.to_owned(),
    }
}

/// Text as roff takes it.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    match text.starts_with(['.', '\'']) {
        true => format!("\\&{text}"),
        false => text,
    }
}
