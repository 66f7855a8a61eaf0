//! What the children of [`crate::apart`] answer, as records.

use crate::drop_in::StopHook;
use crate::pack::Fields;
use crate::read::Unit;
use vassal_config::emperor::place::Place;
use vassal_config::users::identity::Account;

/// What of the emperor's file units need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where the vassals are.
    pub places: Vec<Place>,
    /// Whether a link's own date counts, and not that of the file it leads to.
    pub nofollow: bool,
    /// What each of them has to run at its end.
    pub stop_hook: Option<StopHook>,
    /// What is odd about the file.
    pub problems: Vec<String>,
}

impl Wanted {
    /// As a record: each field with a word before it that says what it is.
    pub fn pack(self) -> Fields {
        let mut fields = Fields::new();
        let mut put = |what: &str, value: Vec<u8>| fields.extend([what.as_bytes().to_vec(), value]);
        for place in self.places {
            match place {
                Place::Directory(path) => put("directory", path),
                Place::Pattern(path) => put("pattern", path),
            }
        }
        if let Some(StopHook { program, user }) = self.stop_hook {
            put("stop", program);
            for account in user.into_iter().flat_map(|(uid, gid)| [uid, gid]) {
                match account {
                    Account::Name(name) => put("name", name),
                    Account::Number(number) => put("number", number.to_string().into_bytes()),
                }
            }
        }
        if self.nofollow {
            put("nofollow", Vec::new());
        }
        for problem in self.problems {
            put("problem", problem.into_bytes());
        }
        fields
    }

    /// Out of a record.
    pub fn unpack(fields: &[Vec<u8>]) -> Option<Self> {
        let mut wanted = Self::default();
        let mut accounts = Vec::new();
        let mut program = None;
        for pair in fields.chunks(2) {
            let [what, value] = pair else { return None };
            let text = || String::from_utf8(value.clone()).ok();
            match what.as_slice() {
                b"directory" => wanted.places.push(Place::Directory(value.clone())),
                b"pattern" => wanted.places.push(Place::Pattern(value.clone())),
                b"stop" => program = Some(value.clone()),
                b"name" => accounts.push(Account::Name(value.clone())),
                b"number" => accounts.push(Account::Number(text()?.parse().ok()?)),
                b"nofollow" => wanted.nofollow = true,
                b"problem" => wanted.problems.push(text()?),
                _ => return None,
            }
        }
        let mut accounts = accounts.into_iter();
        let user = accounts.next().zip(accounts.next());
        wanted.stop_hook = program.map(|program| StopHook { program, user });
        Some(wanted)
    }
}

impl Unit {
    /// As a record.
    pub fn pack(self) -> Fields {
        match self {
            Unit::DropIn(text, problems) => {
                let problems = problems.into_iter().map(String::into_bytes);
                [b"unit".to_vec(), text.into_bytes()]
                    .into_iter()
                    .chain(problems)
                    .collect()
            }
            Unit::NoFile => vec![b"none".to_vec()],
            Unit::Unreadable(why) => vec![b"unreadable".to_vec(), why.into_bytes()],
        }
    }

    /// Out of a record.
    pub fn unpack(fields: &[Vec<u8>]) -> Option<Self> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        match fields {
            [what, drop_in, problems @ ..] if what == b"unit" => {
                let problems = problems.iter().map(text).collect::<Option<_>>()?;
                Some(Unit::DropIn(text(drop_in)?, problems))
            }
            [what] if what == b"none" => Some(Unit::NoFile),
            [what, why] if what == b"unreadable" => Some(Unit::Unreadable(text(why)?)),
            _ => None,
        }
    }
}

/// What may have gone wrong, before what came of it.
pub fn pack_result(result: Result<Fields, String>) -> Fields {
    let (is_good, fields) = match result {
        Ok(fields) => (&b"good"[..], fields),
        Err(why) => (&b"bad"[..], vec![why.into_bytes()]),
    };
    [vec![is_good.to_vec()], fields].concat()
}

/// Out of a record; a child that has not answered counts as one that reports that.
pub fn unpack_result(fields: Option<Fields>) -> Result<Fields, String> {
    let silent = || NO_ANSWER.to_owned();
    let fields = fields.ok_or_else(silent)?;
    match fields.split_first() {
        Some((what, fields)) if what == b"good" => Ok(fields.to_vec()),
        Some((_, [why, ..])) => Err(String::from_utf8_lossy(why).into_owned()),
        _ => Err(silent()),
    }
}

/// Said of what was waited for in vain.
pub const NO_ANSWER: &str = "no answer in time (a filesystem hangs?)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let wanted = Wanted {
            nofollow: true,
            places: vec![Place::Directory(b"/v".to_vec()), Place::Pattern(b"/x/*".to_vec())],
            stop_hook: Some(StopHook {
                program: b"/p".to_vec(),
                user: Some((Account::Name(b"u".to_vec()), Account::Number(7))),
            }),
            problems: vec!["p".into()],
        };
        assert_eq!(Wanted::unpack(&wanted.clone().pack()), Some(wanted));
        let units = [
            Unit::DropIn("text".into(), vec!["a".into(), "b".into()]),
            Unit::NoFile,
            Unit::Unreadable("why".into()),
        ];
        for unit in units {
            assert_eq!(Unit::unpack(&unit.clone().pack()), Some(unit));
        }
        assert_eq!(
            unpack_result(Some(pack_result(Ok(vec![b"x".to_vec()])))),
            Ok(vec![b"x".to_vec()])
        );
        assert_eq!(
            unpack_result(Some(pack_result(Err("no".into())))),
            Err("no".into())
        );
        assert_eq!(unpack_result(None), Err(NO_ANSWER.into()));
    }
}
