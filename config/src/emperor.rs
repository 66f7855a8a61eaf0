//! The emperor's file, /etc/vassal/emperor.ini: where the vassals are, and what each of them is put into.

use crate::diagnostic::{Diagnostic, Origin, printable};
use crate::entries::Entry;
use crate::flag::switches_on;
use crate::name::VassalName;
use crate::namespaces::Namespaces;
use crate::options::{OptionRow, find};
use crate::phase::{HookKind, Phase, hook_option};
use crate::plan::Hook;
use crate::taker::Taker;

/// What the emperor's file says.
#[derive(Debug, Clone, Default)]
pub struct Emperor {
    /// The vassals' directories, in order: the first that has a file of a name wins.
    pub directories: Vec<Vec<u8>>,
    /// What each vassal is cloned into.
    pub namespaces: Namespaces,
    /// `emperor-wrapper`: the program in uwsgi's place.
    pub wrapper: Option<Vec<u8>>,
    /// The hooks of the phases as-emperor and as-vassal.
    pub hooks: Vec<Hook>,
    /// `vassals-start-hook`: a program that is run before the as-vassal hooks.
    pub start_hook: Option<(Vec<u8>, Origin)>,
    /// `vassals-stop-hook`: a program that is run when a vassal has stopped.
    pub stop_hook: Option<(Vec<u8>, Origin)>,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

/// Options that change nothing here, because systemd does what they tune.
const SYSTEMD_DOES_IT: [&[u8]; 14] = [
    b"master",
    b"emperor-freq",
    b"emperor-required-heartbeat",
    b"emperor-curse-tolerance",
    b"emperor-pidfile",
    b"early-emperor",
    b"emperor-throttle",
    b"emperor-max-throttle",
    b"emperor-no-blacklist",
    b"emperor-graceful-shutdown",
    b"emperor-procname",
    b"reload-mercy",
    b"die-on-term",
    b"emperor-nofollow",
];

impl Emperor {
    /// Makes sense of the effects of the evaluated emperor's file; the warnings name what it says that has no effect here.
    ///
    /// # Errors
    /// A namespace that is unknown or refused, or a source of vassals that is no directory.
    pub fn from_entries(entries: &[Entry]) -> Result<(Self, Vec<Diagnostic>), Diagnostic> {
        let mut emperor = Self::default();
        let mut warnings = Vec::new();
        let mut vassal_arguments: [Vec<Vec<u8>>; 5] = Default::default();
        for entry in entries {
            let value = entry.value.clone().unwrap_or_default();
            match entry.key.as_slice() {
                b"emperor" => emperor.directories.push(directory(&value, &entry.origin)?),
                b"emperor-use-clone" => emperor.namespaces.add(entry)?,
                b"emperor-tyrant" if switches_on(&value) => return Err(tyrant(&entry.origin)),
                b"uid" | b"gid" if is_root(&value) => {}
                b"uid" | b"gid" => return Err(unprivileged(&entry.key, &value, &entry.origin)),
                b"vassals-start-hook" => emperor.start_hook = Some((value, entry.origin.clone())),
                b"vassals-stop-hook" => emperor.stop_hook = Some((value, entry.origin.clone())),
                b"emperor-wrapper" => emperor.wrapper = Some(value),
                b"vassals-inherit-before" => vassal_arguments[0].extend([b"--inherit".to_vec(), value]),
                b"vassals-include-before" => vassal_arguments[1].extend([b"--include".to_vec(), value]),
                b"vassal-set" | b"vassals-set" => vassal_arguments[2].extend([b"--set".to_vec(), value]),
                b"vassals-inherit" => vassal_arguments[3].extend([b"--inherit".to_vec(), value]),
                b"vassals-include" => vassal_arguments[4].extend([b"--include".to_vec(), value]),
                key => match hook_option(key) {
                    Some((kind, phase @ (Phase::AsEmperor | Phase::AsVassal))) => {
                        emperor.hooks.push(Hook::new(kind, phase, entry));
                    }
                    _ => warnings.extend(ignored(key, &entry.origin)),
                },
            }
        }
        let [inherit_before, include_before, set, inherit, include] = vassal_arguments;
        emperor.before = [inherit_before, include_before, set].concat();
        emperor.after = [inherit, include].concat();
        Ok((emperor, warnings))
    }

    /// The arguments with which uWSGI's Emperor would start this vassal (V1, V2), for [`crate::entries::evaluate`];
    /// the working directory must be the vassals' directory.
    pub fn arguments(&self, vassal: &VassalName) -> Vec<Vec<u8>> {
        let file = vec![b"--ini".to_vec(), vassal.file()];
        [self.before.clone(), file, self.after.clone()].concat()
    }
}

fn directory(value: &[u8], origin: &Origin) -> Result<Vec<u8>, Diagnostic> {
    let path = value.strip_prefix(b"dir://").unwrap_or(value);
    let refusal =
        |message: String, hint: &str| Err(Diagnostic::error(Some(origin.clone()), message).with_hint(hint));
    let shown = value.escape_ascii();
    if path.windows(3).any(|window| window == b"://") {
        return refusal(
            format!("emperor = {shown}: only directories are read"),
            "name a directory of INI files",
        );
    }
    if path.first() != Some(&b'/') {
        return refusal(
            format!("emperor = {shown}: not an absolute path"),
            "begin it with '/'",
        );
    }
    Ok(path.to_vec())
}

/// Without it every file of a tenant would be trusted with root.
fn tyrant(origin: &Origin) -> Diagnostic {
    let message =
        "emperor-tyrant is not supported: the hooks of a file would run as root and not as its owner";
    Diagnostic::error(Some(origin.clone()), message)
        .with_hint("leave it out when root owns every vassal's file")
}

fn is_root(account: &[u8]) -> bool {
    matches!(account, b"root" | b"0")
}

/// The original gives up its privileges, and with them those of every vassal; here vassals without a user would be root's.
fn unprivileged(key: &[u8], value: &[u8], origin: &Origin) -> Diagnostic {
    let (key, value) = (printable(key), printable(value));
    let message = format!("{key} = {value}: it is the vassals that have users and groups here");
    Diagnostic::error(Some(origin.clone()), message).with_hint(format!(
        "put '{key} = {value}' into the vassals' files, or into one that vassals-include = names"
    ))
}

fn ignored(key: &[u8], origin: &Origin) -> Option<Diagnostic> {
    let warn = |message: String| Some(Diagnostic::warning(Some(origin.clone()), message));
    let shown = key.escape_ascii();
    if SYSTEMD_DOES_IT.contains(&key) {
        return warn(format!(
            "'{shown}' has no effect: systemd starts, stops and restarts the vassals, ignoring"
        ));
    }
    let is_languages = |row: OptionRow| row.taker == Taker::Language;
    match find(key) {
        // A placeholder, or what has done its work when the file was read.
        None => None,
        Some(row) if is_languages(row) => None,
        Some(_) => warn(format!(
            "'{shown}' is not supported in the emperor's file, ignoring"
        )),
    }
}

impl Hook {
    /// The hook that `entry` describes.
    pub fn new(kind: HookKind, phase: Phase, entry: &Entry) -> Self {
        Self {
            kind,
            phase,
            option: entry.key.clone(),
            value: entry.value.clone().unwrap_or_default(),
            origin: entry.origin.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, value: &str) -> Entry {
        let origin = Origin::File {
            name: b"emperor.ini".as_slice().into(),
            line: 2,
            column: 1,
        };
        Entry {
            key: key.into(),
            value: Some(value.into()),
            origin,
        }
    }

    #[test]
    fn the_two_lines_of_the_scenario_are_understood() {
        let entries = [
            entry("emperor", "/etc/uwsgi/vassals"),
            entry("emperor-use-clone", "fs,pid"),
        ];
        let (emperor, warnings) = Emperor::from_entries(&entries).unwrap();
        assert_eq!(emperor.directories, [b"/etc/uwsgi/vassals".to_vec()]);
        assert_eq!(
            emperor.namespaces,
            Namespaces {
                mount: true,
                pid: true,
                ..Namespaces::default()
            }
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn a_user_namespace_is_refused_where_it_stands() {
        let error = Emperor::from_entries(&[entry("emperor-use-clone", "fs,user")]).unwrap_err();
        assert!(error.to_string().starts_with("emperor.ini:2"), "{error}");
        assert!(Emperor::from_entries(&[entry("emperor-use-clone", "fs,time")]).is_err());
    }

    #[test]
    fn a_tyrant_is_refused_because_it_would_be_less_than_one() {
        let error = Emperor::from_entries(&[entry("emperor-tyrant", "true")]).unwrap_err();
        assert!(
            error.to_string().starts_with("emperor.ini:2: emperor-tyrant"),
            "{error}"
        );
        assert!(Emperor::from_entries(&[entry("emperor-tyrant", "false")]).is_ok());
    }

    #[test]
    fn templates_keep_the_order_of_the_emperor() {
        let entries = [
            entry("vassals-include", "after.ini"),
            entry("vassal-set", "a=b"),
            entry("vassals-include-before", "before.ini"),
        ];
        let (emperor, _) = Emperor::from_entries(&entries).unwrap();
        let arguments = emperor.arguments(&VassalName::parse(b"x").unwrap());
        let words: Vec<_> = arguments
            .iter()
            .map(|word| String::from_utf8_lossy(word))
            .collect();
        assert_eq!(
            words.join(" "),
            "--include before.ini --set a=b --ini x.ini --include after.ini"
        );
    }

    #[test]
    fn what_has_no_effect_is_said() {
        let (_, warnings) = Emperor::from_entries(&[
            entry("emperor-freq", "10"),
            entry("emperor-stats", "127.0.0.1:1"),
            entry("socket", ":80"),
            entry("uid", "root"),
            entry("set", "a=b"),
            entry("z", ""),
        ])
        .unwrap();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }

    #[test]
    fn a_user_of_the_emperors_is_refused_as_its_vassals_would_be_roots() {
        for key in ["uid", "gid"] {
            let error = Emperor::from_entries(&[entry(key, "www-data")]).unwrap_err();
            assert!(error.to_string().starts_with("emperor.ini:2"), "{error}");
        }
    }
}
