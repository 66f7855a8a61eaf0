//! The vassals that are traced: files/NAME.ini, and files/NAME.emperor where the usual emperor's file is not theirs.

use std::fs;
use std::path::Path;

/// The emperor's file of a vassal that has none of its own. The hook is what uWSGI needs so that mounts stay inside (NS-2).
const EMPEROR: &str = "\
[uwsgi]
emperor = /etc/uwsgi/vassals
emperor-use-clone = fs,pid
hook-as-vassal = mount:none none / rec,private
";

/// A vassal, and what it needs.
pub struct Traced {
    /// NAME.
    pub name: String,
    /// What NAME.ini holds.
    pub text: String,
    /// What the emperor's file holds.
    pub emperor: String,
    /// How one sees that its start is over.
    pub end: End,
}

/// The last of a start.
pub enum End {
    /// All of these records are there: `; ends: LABEL...` in the file, or only the app's acceptance of requests.
    Records(Vec<String>),
    /// It begins again: `; fails` in the file.
    Failure,
}

/// All of them, by name.
pub fn all() -> Vec<Traced> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("machines/trace/files");
    let entries = fs::read_dir(&directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".ini").map(str::to_owned))
        .collect();
    names.sort();
    names.into_iter().map(|name| read(&directory, name)).collect()
}

fn read(directory: &Path, name: String) -> Traced {
    let text = fs::read_to_string(directory.join(format!("{name}.ini"))).unwrap();
    let emperor = fs::read_to_string(directory.join(format!("{name}.emperor")));
    let labels = text.lines().find_map(|line| line.strip_prefix("; ends: "));
    let end = if text.lines().any(|line| line == "; fails") {
        End::Failure
    } else {
        let labels = labels.unwrap_or("accepting");
        End::Records(labels.split(' ').map(str::to_owned).collect())
    };
    Traced {
        emperor: emperor.unwrap_or_else(|_| EMPEROR.to_owned()),
        name,
        text,
        end,
    }
}
