//! The settings of emperor.ini, /etc/vassal/emperor.ini: where the vassals are, and what applies to each of them.

use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::name::VassalName;
use crate::emperor::on_demand::OnDemand;
use crate::emperor::own_options::{OwnOption, own_option};
use crate::emperor::place::Place;
use crate::emperor::programs::Programs;
use crate::emperor::time_limits::TimeLimits;
use crate::hooks::hook::Hook;
use crate::hooks::namespaces::Namespaces;
use crate::hooks::phase::{Phase, hook_option};
use crate::language::evaluation::entry::{Entry, last, with_option_of};
use crate::language::evaluation::evaluate::evaluate;
use crate::machine::world::World;
use crate::options::disposition::Disposition;
use crate::options::flag::is_on;
use crate::options::id::Id;
use crate::users::identity::{Identity, Named};
use crate::users::trust::{Judgement, Trust, judge};
use vassal_escape::printable;

/// The settings.
#[derive(Debug, Clone, Default)]
pub struct Emperor {
    /// The places of the vassals' files, in order. If several contain a file of the same name, the first one counts.
    pub places: Vec<Place>,
    /// `uid`: the user of vassals whose files name no user.
    pub uid: Option<Named>,
    /// `gid`: their group.
    pub gid: Option<Named>,
    /// Who may write the vassals' files besides root.
    pub trust: Trust,
    /// The namespaces that each vassal is cloned into.
    pub namespaces: Namespaces,
    /// The programs that replace uWSGI.
    pub programs: Programs,
    /// Which vassals are on demand.
    pub on_demand: OnDemand,
    /// The time limits.
    pub time_limits: TimeLimits,
    /// `emperor-stats`: the address at which statistics are served, and the line.
    pub stats: Option<(Vec<u8>, Origin)>,
    /// The hooks of the phases as-emperor and as-vassal.
    pub hooks: Vec<Hook>,
    /// `vassals-start-hook`: a program that runs before the as-vassal hooks.
    pub start_hook: Option<(Vec<u8>, Origin)>,
    /// `vassals-stop-hook`: a program that runs when a vassal has stopped.
    pub stop_hook: Option<(Vec<u8>, Origin)>,
    /// `emperor-nofollow`: for a link to a file, the link's own date counts (EMP-4).
    pub nofollow: bool,
    /// `concurrent-starts` in the section `[vassal]`: how many vassals may start at the same time; 0 for no limit.
    pub concurrent_starts: Option<u16>,
    before: Vec<Vec<u8>>,
    after: Vec<Vec<u8>>,
}

/// Puts a line into the settings.
type Take = fn(&mut Emperor, &Entry) -> Result<(), Diagnostic>;

/// The settings of the `[vassal]` section of emperor.ini.
#[rustfmt::skip] // one setting, one line
pub const SETTINGS: &[(&str, Take)] = &[
    ("trusted-users", |all, entry| { all.trust.add_users(entry); Ok(()) }),
    ("trusted-groups", |all, entry| { all.trust.add_groups(entry); Ok(()) }),
    ("concurrent-starts", |all, entry| { all.concurrent_starts = Some(number_of_starts(entry)?); Ok(()) }),
];

impl Emperor {
    /// Reads emperor.ini, which is called `file` in `world`. Also returns the warnings about it.
    ///
    /// # Errors
    /// A line that makes it unusable.
    pub fn read(file: &[u8], world: &dyn World) -> Result<(Self, Vec<Diagnostic>), Diagnostic> {
        let evaluation = evaluate(&[b"--ini".to_vec(), file.to_vec()], world)?;
        let named = |found: Diagnostic| with_option_of(found, &evaluation.effects);
        let (mut emperor, warnings) = Self::from_entries(&evaluation.effects).map_err(named)?;
        let warnings: Vec<Diagnostic> = warnings.into_iter().map(named).collect();
        let own = evaluate(&[b"--ini".to_vec(), [file, b":vassal"].concat()], world)?;
        let is_setting = |entry: &Entry| {
            matches!(entry.origin, Origin::File { .. }) && entry.disposition() != Disposition::Language
        };
        for entry in own.effects.iter().filter(|entry| is_setting(entry)) {
            emperor.set(entry)?;
        }
        let identity = Identity {
            uid: emperor.uid.clone(),
            gid: emperor.gid.clone(),
            ..Identity::default()
        };
        let Judgement {
            errors,
            warnings: open,
        } = judge(world, &identity, &emperor.trust);
        match errors.into_iter().next() {
            Some(error) => Err(error),
            None => Ok((emperor, [evaluation.warnings, warnings, open].concat())),
        }
    }

    /// Puts a line of the section `[vassal]` into the settings.
    fn set(&mut self, entry: &Entry) -> Result<(), Diagnostic> {
        let Some((_, take)) = SETTINGS.iter().find(|(name, _)| name.as_bytes() == entry.key) else {
            let message = format!("'{}' is no setting of the emperor's", printable(&entry.key));
            let known: Vec<_> = SETTINGS.iter().map(|(name, _)| *name).collect();
            let hint = format!("there are {}", known.join(", "));
            return Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(hint));
        };
        take(self, entry)
    }

    /// Interprets the evaluated emperor.ini. Also returns warnings about options that have no effect here.
    ///
    /// # Errors
    /// A namespace that is unknown or refused; a source of vassals that is no directory.
    pub fn from_entries(entries: &[Entry]) -> Result<(Self, Vec<Diagnostic>), Diagnostic> {
        let mut emperor = Self::default();
        let mut warnings = Vec::new();
        let mut vassal_arguments: [Vec<Vec<u8>>; 5] = Default::default();
        let mut accounts = Vec::new();
        let chdir = last(entries, &[Id::Chdir]).and_then(|entry| entry.value.as_deref());
        for entry in entries {
            let value = entry.value.clone().unwrap_or_default();
            let is_taken = emperor.programs.add(entry)
                || emperor.on_demand.add(entry)?
                || emperor.time_limits.add(entry, &mut warnings)?;
            match entry.id() {
                _ if is_taken => {}
                Some(Id::Emperor) => emperor.places.push(Place::parse(&value, chdir, &entry.origin)?),
                Some(Id::Chdir) => {}
                Some(Id::EmperorUseClone) => emperor.namespaces.add(entry)?,
                Some(Id::EmperorTyrant | Id::EmperorMagicExec) => refuse_if_on(entry)?,
                Some(Id::Uid | Id::Gid) if is_root(&value) => {}
                Some(Id::Uid | Id::Gid) => accounts.push(entry.clone()),
                Some(Id::VassalsStartHook) => emperor.start_hook = Some((value, entry.origin.clone())),
                Some(Id::VassalsStopHook) => emperor.stop_hook = Some((value, entry.origin.clone())),
                Some(Id::EmperorNofollow) => emperor.nofollow = is_on(&value),
                Some(Id::EmperorStats) => emperor.stats = Some((value, entry.origin.clone())),
                Some(Id::VassalsInheritBefore) => vassal_arguments[0].extend([b"--inherit".to_vec(), value]),
                Some(Id::VassalsIncludeBefore) => vassal_arguments[1].extend([b"--include".to_vec(), value]),
                Some(Id::VassalsSet) => vassal_arguments[2].extend([b"--set".to_vec(), value]),
                Some(Id::VassalsInherit) => vassal_arguments[3].extend([b"--inherit".to_vec(), value]),
                Some(Id::VassalsInclude) => vassal_arguments[4].extend([b"--include".to_vec(), value]),
                _ => match hook_option(&entry.key) {
                    Some((kind, phase @ (Phase::AsEmperor | Phase::AsVassal))) => {
                        emperor.hooks.push(Hook::new(kind, phase, entry));
                    }
                    _ => warnings.extend(ignored(entry)),
                },
            }
        }
        let identity = Identity::from_entries(&accounts, &mut warnings)?;
        (emperor.uid, emperor.gid) = (identity.uid, identity.gid);
        emperor.check_stop_hook()?;
        let [inherit_before, include_before, set, inherit, include] = vassal_arguments;
        emperor.before = [inherit_before, include_before, set].concat();
        emperor.after = [inherit, include].concat();
        Ok((emperor, warnings))
    }

    /// Fills in the user and group of a vassal that names none. If emperor.ini has only a `gid`, that is the group of
    /// every vassal without one, as under uWSGI's Emperor; if it has a `uid` as well, the group belongs to that user.
    pub(crate) fn complete(&self, vassals: &mut Identity) {
        if vassals.gid.is_none() && (self.uid.is_none() || vassals.uid.is_none()) {
            vassals.gid.clone_from(&self.gid);
        }
        if vassals.uid.is_none() {
            vassals.uid.clone_from(&self.uid);
        }
    }

    /// Whether a vassal runs as the user of emperor.ini. An Emperor with a user has dropped root before it starts a
    /// vassal, so all hooks of such a vassal run as that user (ORD-6).
    pub(crate) fn owns(&self, vassals: &Identity) -> bool {
        self.uid.is_some() && vassals.uid == self.uid
    }

    /// systemd runs the stop hook, and needs both user and group.
    fn check_stop_hook(&self) -> Result<(), Diagnostic> {
        match (&self.stop_hook, &self.uid, &self.gid) {
            (Some((_, origin)), Some((user, _)), None) => {
                let message =
                    format!("vassals-stop-hook is run as '{user}', the Emperor's uid, and in which group?");
                Err(Diagnostic::error(Some(origin.clone()), message).with_hint("add gid = GROUP"))
            }
            _ => Ok(()),
        }
    }

    /// The arguments with which uWSGI's Emperor would start this vassal (V1, V2), for
    /// [`crate::language::evaluation::evaluate::evaluate`]. The working directory must be the vassals' directory.
    pub fn arguments(&self, vassal: &VassalName) -> Vec<Vec<u8>> {
        let file = vec![b"--ini".to_vec(), vassal.file()];
        [self.before.clone(), file, self.after.clone()].concat()
    }
}

/// Refuses a switch that is on: every file of a tenant's would be trusted with root, but the switch's own effect would
/// be missing.
fn refuse_if_on(entry: &Entry) -> Result<(), Diagnostic> {
    let Some(OwnOption::Refused(why, fix)) = own_option(&entry.key) else {
        return Ok(());
    };
    if !is_on(entry.value.as_deref().unwrap_or_default()) {
        return Ok(());
    }
    let message = format!("{} is not supported: {why}", printable(&entry.key));
    Err(Diagnostic::error(Some(entry.origin.clone()), message).with_hint(fix))
}

fn number_of_starts(entry: &Entry) -> Result<u16, Diagnostic> {
    let value = entry.value.as_deref().unwrap_or_default();
    let number = std::str::from_utf8(value.trim_ascii()).ok();
    number.and_then(|number| number.parse().ok()).ok_or_else(|| {
        let message = format!(
            "concurrent-starts = {}: not a number of vassals",
            printable(value)
        );
        Diagnostic::error(Some(entry.origin.clone()), message)
            .with_hint("write how many may start at the same time, at most 65535; 0 is any number")
    })
}

fn is_root(account: &[u8]) -> bool {
    matches!(account, b"root" | b"0")
}

fn ignored(entry: &Entry) -> Option<Diagnostic> {
    let warn = |message: String| Some(Diagnostic::warning(Some(entry.origin.clone()), message));
    let shown = printable(&entry.key);
    if let Some(OwnOption::NoEffect(why)) = own_option(&entry.key) {
        return warn(format!("'{shown}' has no effect: {why}, ignoring"));
    }
    match entry.row() {
        // A placeholder, or an option that had its effect when the file was evaluated.
        None => None,
        Some(row) if row.disposition == Disposition::Language => None,
        Some(_) => warn(format!(
            "'{shown}' is not supported in the emperor's file, ignoring"
        )),
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
        Entry::new(key.into(), Some(value.into()), origin)
    }

    #[test]
    fn the_two_lines_of_the_scenario_are_understood() {
        let entries = [
            entry("emperor", "/etc/uwsgi/vassals"),
            entry("emperor-use-clone", "fs,pid"),
        ];
        let (emperor, warnings) = Emperor::from_entries(&entries).unwrap();
        assert_eq!(emperor.places, [Place::Directory(b"/etc/uwsgi/vassals".to_vec())]);
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
        let error = Emperor::from_entries(&[entry("emperor-magic-exec", "true")]).unwrap_err();
        assert!(error.to_string().contains("that root runs"), "{error}");
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
            entry("emperor-broodlord", "3"),
            entry("socket", ":80"),
            entry("uid", "root"),
            entry("set", "a=b"),
            entry("z", ""),
        ])
        .unwrap();
        assert_eq!(warnings.len(), 3, "{warnings:?}");
    }

    #[test]
    fn a_user_of_the_emperors_is_that_of_vassals_without_one() {
        let entries = [entry("uid", "www-data"), entry("gid", "33")];
        let (emperor, warnings) = Emperor::from_entries(&entries).unwrap();
        let account = |named: Option<Named>| named.unwrap().0.to_string();
        assert_eq!(
            (account(emperor.uid), account(emperor.gid)),
            ("www-data".into(), "33".into())
        );
        assert!(warnings.is_empty(), "{warnings:?}");
        let (emperor, _) = Emperor::from_entries(&[entry("uid", "root"), entry("gid", "0")]).unwrap();
        assert!(emperor.uid.is_none() && emperor.gid.is_none());
        for number in ["00", "4294967295", ""] {
            assert!(
                Emperor::from_entries(&[entry("uid", number)]).is_err(),
                "{number}"
            );
        }
    }

    #[test]
    fn a_setting_that_does_not_exist_is_refused_with_those_that_do() {
        let error = Emperor::default().set(&entry("trusted-user", "x")).unwrap_err();
        assert_eq!(error.message, "'trusted-user' is no setting of the emperor's");
        let hint = "there are trusted-users, trusted-groups, concurrent-starts";
        assert_eq!(error.hint.as_deref(), Some(hint));
    }

    #[test]
    fn the_number_of_starts_is_a_number() {
        for (value, expected) in [
            ("8", Some(8)),
            (" 0 ", Some(0)),
            ("", None),
            ("-1", None),
            ("70000", None),
        ] {
            let found = number_of_starts(&entry("concurrent-starts", value));
            assert_eq!(found.ok(), expected, "{value}");
        }
    }

    #[test]
    fn a_stop_hook_of_an_emperor_with_a_user_needs_its_group() {
        let mut entries = vec![entry("uid", "u"), entry("vassals-stop-hook", "/bin/true")];
        assert!(Emperor::from_entries(&entries).is_err());
        entries.push(entry("gid", "g"));
        assert!(Emperor::from_entries(&entries).is_ok());
    }
}
