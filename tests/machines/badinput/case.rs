//! One fault: what is put into a machine, and what has to be told about it.

/// The lines every vassal here begins with unless it is written out; a case's own lines follow, from line 7.
pub const HEAD: &str = "\
[uwsgi]
plugin = psgi
uid = user002
gid = user002
http-socket = :9091
psgi = /srv/app/myapp.pl
";

/// The vassal's file.
pub enum Ini {
    /// None, or one that the preparation makes.
    None,
    /// [`HEAD`] and these lines.
    Lines(&'static str),
    /// This text.
    Whole(&'static str),
}

/// A vassal that does not start.
pub struct Case {
    /// The case's name and the vassal's, so that its file is `NAME.ini`.
    pub name: &'static str,
    /// Its file.
    pub ini: Ini,
    /// A shell script that makes the fault, run in the vassals' directory.
    pub prepare: &'static str,
    /// What the one line says: each of these pieces.
    pub says: &'static [&'static str],
    /// A shell script that takes back what would be in the way of the next case.
    pub tidy: &'static str,
}

impl Case {
    /// A fault in the lines after [`HEAD`].
    pub const fn lines(name: &'static str, lines: &'static str, says: &'static [&'static str]) -> Case {
        Case {
            name,
            ini: Ini::Lines(lines),
            prepare: "",
            says,
            tidy: "",
        }
    }

    /// A fault in a file that is written out.
    pub const fn whole(name: &'static str, text: &'static str, says: &'static [&'static str]) -> Case {
        Case {
            name,
            ini: Ini::Whole(text),
            prepare: "",
            says,
            tidy: "",
        }
    }

    /// A fault that a script makes, and the file with it.
    pub const fn script(name: &'static str, prepare: &'static str, says: &'static [&'static str]) -> Case {
        Case {
            name,
            ini: Ini::None,
            prepare,
            says,
            tidy: "",
        }
    }

    /// The same case, with a script that runs first.
    pub const fn after(self, prepare: &'static str) -> Case {
        let Case {
            name,
            ini: _,
            prepare: _,
            says,
            tidy,
        } = self;
        Case {
            name,
            ini: self.ini,
            prepare,
            says,
            tidy,
        }
    }

    /// The same case, with a script that runs at its end.
    pub const fn tidied(self, tidy: &'static str) -> Case {
        let Case {
            name,
            ini: _,
            prepare,
            says,
            tidy: _,
        } = self;
        Case {
            name,
            ini: self.ini,
            prepare,
            says,
            tidy,
        }
    }

    /// The vassal's unit.
    pub fn unit(&self) -> String {
        format!("vassal@{}.service", self.name)
    }

    /// The text of the vassal's file, if there is one.
    pub fn text(&self) -> Option<String> {
        match self.ini {
            Ini::None => None,
            Ini::Lines(lines) => Some(format!("{HEAD}{lines}")),
            Ini::Whole(text) => Some(text.to_owned()),
        }
    }
}
