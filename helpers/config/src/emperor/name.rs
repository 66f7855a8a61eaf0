//! Names: which files are vassals (EMP-3), and what their units are called (systemd.unit(5), "STRING ESCAPING").

use vassal_escape::printable;
use vassal_escape::unit_name::escape;

/// The longest name of a unit, `vassal@`, the escaped name and `.service` together: systemd allows 255 bytes, and so
/// does a filesystem for the name of the drop-in directory, which has `.d` after it.
const LONGEST_UNIT: usize = 253;

/// The ending of a vassal's file.
pub const ENDING: &[u8] = b".ini";

/// Why a file or a unit's instance is no vassal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// Not a `.ini` file, or nothing before that.
    NotIni,
    /// A name that starts with a dot: editors' and package managers' temporary files. (uWSGI takes them; compat row.)
    Hidden,
    /// The unit's name would be longer than systemd allows.
    TooLong,
    /// A name with a slash, an empty one, or a byte that ends a line or a name.
    NotAName,
}

/// A vassal's name: the name of its file without `.ini`. Never empty, never hidden, no slash, no control character,
/// and short enough for a unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VassalName(Vec<u8>);

impl VassalName {
    /// The name in `file`, the name of a file in a vassals directory.
    ///
    /// # Errors
    /// Why it is no vassal.
    pub fn of_file(file: &[u8]) -> Result<Self, Unfit> {
        Self::parse(file.strip_suffix(ENDING).ok_or(Unfit::NotIni)?)
    }

    /// The vassal of that name.
    ///
    /// # Errors
    /// Why there can be none.
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

    /// The name of its unit, as systemctl makes it of `vassal@NAME` on its command line.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", escape(&self.0))
    }

    /// The name of the unit of the socket whose first connection starts it.
    pub fn socket(&self) -> String {
        format!("vassal@{}.socket", escape(&self.0))
    }

    /// What its lines in the journal and its unit's description are told by: the name, and not the unit's instance, where those
    /// differ. One that ends in a backslash stays as the unit has it: as the value of a line it would take the next line in
    /// (systemd.syntax(7)).
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
