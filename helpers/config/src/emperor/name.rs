//! Names: which files are vassals (EMP-3), and what their units are called (systemd.unit(5), "STRING ESCAPING").

use vassal_escape::printable;
use vassal_escape::unit_name::escape;

/// The longest name of a unit, `vassal@`, the escaped name and `.service` together: systemd allows 255 bytes, and so
/// does a filesystem for the name of the drop-in directory, which has `.d` after it.
const LONGEST_UNIT: usize = 253;

/// The ending of a vassal's file.
pub const ENDING: &[u8] = b".ini";

/// Why a file or a unit's instance is not a vassal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The file's name does not end in `.ini`, or is only that.
    NotIni,
    /// The name begins with a dot, as those of editors' and package managers' temporary files do. (uWSGI takes such
    /// files; compat row.)
    Hidden,
    /// The unit's name would be longer than systemd allows.
    TooLong,
    /// The name is empty, or contains a slash or a control character.
    NotAName,
}

/// A vassal's name: the name of its file without `.ini`. Never empty, never hidden, no slash, no control character,
/// and short enough for a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VassalName(Vec<u8>);

impl VassalName {
    /// The name of the vassal whose file is called `file`.
    ///
    /// # Errors
    /// Why it is not a vassal's file.
    pub fn of_file(file: &[u8]) -> Result<Self, Unfit> {
        Self::parse(file.strip_suffix(ENDING).ok_or(Unfit::NotIni)?)
    }

    /// Checks that `name` can be a vassal's.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn parse(name: &[u8]) -> Result<Self, Unfit> {
        if name.is_empty() || name.iter().any(|byte| *byte == b'/' || byte.is_ascii_control()) {
            return Err(Unfit::NotAName);
        }
        if name[0] == b'.' {
            return Err(Unfit::Hidden);
        }
        let name = Self(name.to_vec());
        if name.unit().len() > LONGEST_UNIT {
            Err(Unfit::TooLong)
        } else {
            Ok(name)
        }
    }

    /// The name itself.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The name of its file.
    pub fn file(&self) -> Vec<u8> {
        [&self.0, ENDING].concat()
    }

    /// The name of its unit, as systemctl derives it from `vassal@NAME` on its command line.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", escape(&self.0))
    }

    /// The name of its socket's unit, for a vassal on demand.
    pub fn socket(&self) -> String {
        format!("vassal@{}.socket", escape(&self.0))
    }

    /// The identifier of its lines in the journal and in its unit's description: the vassal's name, even where the
    /// unit's instance differs from it. A name that ends in a backslash is kept in its escaped form, because as the
    /// value of a line it would join the next line to it (systemd.syntax(7)).
    pub fn identifier(&self) -> String {
        match printable(&self.0) {
            name if name.ends_with('\\') => escape(&self.0),
            name => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_named_as_people_type_them() {
        const CASES: &[(&[u8], &str)] = &[
            (b"user001", "vassal@user001.service"),
            (b"a-b", "vassal@a-b.service"),
            (b"my app", "vassal@my\\x20app.service"),
            (b"a%n@b", "vassal@a\\x25n@b.service"),
            ("\u{e9}".as_bytes(), "vassal@\\xc3\\xa9.service"),
            (b"a.b:c_d", "vassal@a.b:c_d.service"),
        ];
        for (name, unit) in CASES {
            assert_eq!(VassalName::parse(name).unwrap().unit(), *unit);
        }
    }

    #[test]
    fn what_can_be_no_vassal_is_told_why() {
        const CASES: &[(&[u8], Unfit)] = &[
            (b"x.ini~", Unfit::NotIni),
            (b"x.INI", Unfit::NotIni),
            (b".x.ini", Unfit::Hidden),
            (b".ini", Unfit::NotAName),
            (b"a\nb.ini", Unfit::NotAName),
            (b"../etc/x.ini", Unfit::NotAName),
        ];
        for (file, unfit) in CASES {
            assert_eq!(VassalName::of_file(file), Err(*unfit), "{}", file.escape_ascii());
        }
        assert_eq!(VassalName::parse(&[b'a'; 300]), Err(Unfit::TooLong));
        assert!(VassalName::parse(&[b'a'; 238]).is_ok());
        assert_eq!(VassalName::parse(&[b'a'; 239]), Err(Unfit::TooLong));
        assert_eq!(VassalName::parse(&[0xff; 60]), Err(Unfit::TooLong));
    }
}
