//! What the children of [`crate::apart`] answer, as records.

use crate::drop_in::{Common, StopHook, Text};
use crate::pack::{Fields, pack, unpack};
use crate::read::Unit;
use std::time::Duration;
use vassal_config::diagnostic::Origin;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::vassals::EMPEROR_FILE;
use vassal_config::users::identity::Account;

/// The part of emperor.ini that units are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Where the vassals are.
    pub places: Vec<Place>,
    /// Whether a link's own date counts, and not that of the file it leads to.
    pub nofollow: bool,
    /// What all units have in common.
    pub common: Common,
    /// The drop-in of the statistics socket, where emperor.ini has `emperor-stats`.
    pub statistics: Option<String>,
    /// Warnings about emperor.ini, one line each.
    pub problems: Vec<String>,
}

impl Wanted {
    /// Encodes it as a record in which each value follows a word that names it.
    pub fn pack(self) -> Fields {
        let mut fields = Fields::new();
        let mut put = |what: &str, value: Vec<u8>| fields.extend([what.as_bytes().to_vec(), value]);
        for place in self.places {
            match place {
                Place::Directory(path) => put("directory", path),
                Place::Pattern(path) => put("pattern", path),
            }
        }
        let Common {
            stop_hook,
            stop_limit,
            on_demand,
        } = self.common;
        if let Some(limit) = stop_limit {
            put("stop-limit", limit.as_secs().to_string().into_bytes());
        }
        if let Some(extension) = on_demand.extension {
            put("extension", extension);
        }
        if let Some(command) = on_demand.command {
            put("ask", command);
        }
        if let Some((path, origin)) = on_demand.directory {
            put("sockets", path);
            if let Origin::File { line, .. } = origin {
                put("sockets-line", line.to_string().into_bytes());
            }
        }
        if let Some(StopHook { program, user }) = stop_hook {
            put("stop", program);
            for account in user.into_iter().flat_map(|(uid, gid)| [uid, gid]) {
                match account {
                    Account::Name(name) => put("name", name),
                    Account::Number(number) => put("number", number.to_string().into_bytes()),
                }
            }
        }
        if let Some(drop_in) = self.statistics {
            put("statistics", drop_in.into_bytes());
        }
        if self.nofollow {
            put("nofollow", Vec::new());
        }
        for problem in self.problems {
            put("problem", problem.into_bytes());
        }
        fields
    }

    /// Decodes a record of [`Wanted::pack`]; `None` where it is not one.
    pub fn unpack(fields: &[Vec<u8>]) -> Option<Self> {
        let mut wanted = Self::default();
        let mut accounts = Vec::new();
        let (mut program, mut sockets, mut line) = (None, None, 0);
        for pair in fields.chunks(2) {
            let [what, value] = pair else { return None };
            let text = || String::from_utf8(value.clone()).ok();
            match what.as_slice() {
                b"directory" => wanted.places.push(Place::Directory(value.clone())),
                b"pattern" => wanted.places.push(Place::Pattern(value.clone())),
                b"stop-limit" => {
                    wanted.common.stop_limit = Some(Duration::from_secs(text()?.parse().ok()?));
                }
                b"extension" => wanted.common.on_demand.extension = Some(value.clone()),
                b"ask" => wanted.common.on_demand.command = Some(value.clone()),
                b"sockets" => sockets = Some(value.clone()),
                b"sockets-line" => line = text()?.parse().ok()?,
                b"stop" => program = Some(value.clone()),
                b"name" => accounts.push(Account::Name(value.clone())),
                b"number" => accounts.push(Account::Number(text()?.parse().ok()?)),
                b"statistics" => wanted.statistics = Some(text()?),
                b"nofollow" => wanted.nofollow = true,
                b"problem" => wanted.problems.push(text()?),
                _ => return None,
            }
        }
        let mut accounts = accounts.into_iter();
        let user = accounts.next().zip(accounts.next());
        wanted.common.stop_hook = program.map(|program| StopHook { program, user });
        let origin = Origin::File {
            name: EMPEROR_FILE.as_bytes().into(),
            line,
            column: 1,
        };
        wanted.common.on_demand.directory = sockets.map(|path| (path, origin));
        Some(wanted)
    }
}

impl Text {
    /// Encodes the texts of a vassal's drop-ins as one field of a record.
    pub fn pack(&self) -> Vec<u8> {
        let parts = [Some(&self.service), self.socket.as_ref()];
        pack(&parts.into_iter().flatten().collect::<Vec<_>>())
    }

    /// Decodes such a field.
    pub fn unpack(field: &[u8]) -> Option<Self> {
        let mut parts = unpack(field)?
            .into_iter()
            .map(|part| String::from_utf8(part).ok());
        Some(Self {
            service: parts.next()??,
            socket: parts.next().map_or(Some(None), |socket| socket.map(Some))?,
        })
    }
}

impl Unit {
    /// Encodes the result of reading a vassal's file.
    pub fn pack(self) -> Fields {
        match self {
            Unit::DropIn(text, problems) => {
                let problems = problems.into_iter().map(String::into_bytes);
                [b"unit".to_vec(), text.pack()]
                    .into_iter()
                    .chain(problems)
                    .collect()
            }
            Unit::Unasked => vec![b"unasked".to_vec()],
            Unit::NoFile => vec![b"none".to_vec()],
            Unit::Unreadable(why) => vec![b"unreadable".to_vec(), why.into_bytes()],
        }
    }

    /// Decodes it; `None` where the record is not one.
    pub fn unpack(fields: &[Vec<u8>]) -> Option<Self> {
        let text = |bytes: &Vec<u8>| String::from_utf8(bytes.clone()).ok();
        match fields {
            [what, drop_in, problems @ ..] if what == b"unit" => {
                let problems = problems.iter().map(text).collect::<Option<_>>()?;
                Some(Unit::DropIn(Text::unpack(drop_in)?, problems))
            }
            [what] if what == b"unasked" => Some(Unit::Unasked),
            [what] if what == b"none" => Some(Unit::NoFile),
            [what, why] if what == b"unreadable" => Some(Unit::Unreadable(text(why)?)),
            _ => None,
        }
    }
}

/// Encodes a result: a word for success or failure, then the fields or the error.
pub fn pack_result(result: Result<Fields, String>) -> Fields {
    let (is_good, fields) = match result {
        Ok(fields) => (&b"good"[..], fields),
        Err(why) => (&b"bad"[..], vec![why.into_bytes()]),
    };
    [vec![is_good.to_vec()], fields].concat()
}

/// Decodes a result. `None`, a child that has not answered, becomes the error [`NO_ANSWER`].
pub fn unpack_result(fields: Option<Fields>) -> Result<Fields, String> {
    let silent = || NO_ANSWER.to_owned();
    let fields = fields.ok_or_else(silent)?;
    match fields.split_first() {
        Some((what, fields)) if what == b"good" => Ok(fields.to_vec()),
        Some((_, [why, ..])) => Err(String::from_utf8_lossy(why).into_owned()),
        _ => Err(silent()),
    }
}

/// The error of an item whose child did not answer in time.
pub const NO_ANSWER: &str = "no answer in time (a filesystem hangs?)";

#[cfg(test)]
mod tests {
    use super::*;
    use vassal_config::emperor::on_demand::OnDemand;

    fn text(socket: Option<String>) -> Text {
        let service = "text".into();
        Text { service, socket }
    }

    #[test]
    fn an_answer_is_read_as_it_was_given() {
        let origin = Origin::File {
            name: EMPEROR_FILE.as_bytes().into(),
            line: 3,
            column: 1,
        };
        let wanted = Wanted {
            nofollow: true,
            places: vec![Place::Directory(b"/v".to_vec()), Place::Pattern(b"/x/*".to_vec())],
            common: Common {
                stop_hook: Some(StopHook {
                    program: b"/p".to_vec(),
                    user: Some((Account::Name(b"u".to_vec()), Account::Number(7))),
                }),
                stop_limit: Some(Duration::from_secs(6)),
                on_demand: OnDemand {
                    extension: Some(b".socket".to_vec()),
                    command: Some(b"/bin/where".to_vec()),
                    directory: Some((b"/run/od".to_vec(), origin)),
                },
            },
            statistics: Some("s".into()),
            problems: vec!["p".into()],
        };
        assert_eq!(Wanted::unpack(&wanted.clone().pack()), Some(wanted));
        let units = [
            Unit::DropIn(text(None), vec!["a".into(), "b".into()]),
            Unit::DropIn(text(Some("socket".into())), Vec::new()),
            Unit::NoFile,
            Unit::Unasked,
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
