//! The emperor's file and the vassals' files, as far as units need them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::Emperor;
use vassal_config::entries::{Entry, evaluate};
use vassal_config::name::{Unfit, VassalName};
use vassal_config::system::{System, read_trusted};

/// The emperor's file, below the root.
const EMPEROR_FILE: &str = "etc/vassal/emperor.ini";

/// A file that is a vassal's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The vassal's name.
    pub name: VassalName,
    /// Where the file is, to be opened.
    pub path: PathBuf,
    /// Where it is for the user: without the root.
    pub file: Vec<u8>,
}

/// Reads the emperor's file, with the warnings about it; `None` when there is none, which is no problem.
///
/// # Errors
/// A file that cannot be made sense of, in one line.
pub fn emperor(root: &Path) -> Result<Option<(Emperor, Vec<String>)>, String> {
    let file = root.join(EMPEROR_FILE);
    match file.symlink_metadata() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(_) | Err(_) => content(&file)?,
    };
    let directory = file.parent().unwrap_or(root).to_path_buf();
    let world = System::new([].into(), directory).without_sources();
    let arguments = [b"--ini".to_vec(), file.into_os_string().into_vec()];
    let evaluation = evaluate(&arguments, &world).map_err(|error| error.public().to_string())?;
    let (emperor, warnings) =
        Emperor::from_entries(&evaluation.effects).map_err(|error| public(&error, &evaluation.effects))?;
    let warnings = evaluation
        .warnings
        .iter()
        .chain(&warnings)
        .map(|warning| public(warning, &evaluation.effects))
        .collect();
    Ok(Some((emperor, warnings)))
}

/// What the units' files and the kernel's log say, which everybody may read: vassal-enter, which reads the same file, tells the
/// journal what is wrong with it.
fn public(found: &Diagnostic, entries: &[Entry]) -> String {
    found.clone().with_option_of(entries).public().to_string()
}

/// Every vassal of the emperor's directories, sorted by name; the first directory that has a name wins. A directory
/// that is not there is passed over: it may be on a filesystem that is mounted later. What is no regular file is no vassal
/// (EMP-3).
pub fn candidates(root: &Path, emperor: &Emperor) -> (Vec<Candidate>, Vec<String>) {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    for directory in &emperor.directories {
        let below = directory.strip_prefix(b"/").unwrap_or(directory);
        let path = root.join(OsStr::from_bytes(below));
        let names = match fs::read_dir(&path) {
            Ok(entries) => entries.filter_map(Result::ok).map(|entry| entry.file_name()),
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                problems.push(format!(
                    "{}: cannot read it: {error}, skipping",
                    directory.escape_ascii()
                ));
                continue;
            }
        };
        for file in names {
            let shown = [directory, &b"/"[..], file.as_bytes()].concat();
            match VassalName::of_file(file.as_bytes()) {
                Err(Unfit::NotIni | Unfit::Hidden) => {}
                Err(Unfit::TooLong | Unfit::NotAName) => {
                    problems.push(format!(
                        "{}: no unit can have such a name, skipping",
                        shown.escape_ascii()
                    ));
                }
                Ok(_) if !path.join(&file).is_file() => {
                    problems.push(format!("{}: not a regular file, skipping", shown.escape_ascii()));
                }
                Ok(name) if found.contains_key(&name) => {
                    problems.push(format!(
                        "{}: an earlier directory has a vassal of this name, skipping",
                        shown.escape_ascii()
                    ));
                }
                Ok(name) => {
                    let candidate = Candidate {
                        name: name.clone(),
                        path: path.join(&file),
                        file: shown,
                    };
                    found.insert(name, candidate);
                }
            }
        }
    }
    (found.into_values().collect(), problems)
}

/// The content of a configuration file.
///
/// # Errors
/// Why it cannot be read, in one line.
pub fn content(path: &Path) -> Result<Vec<u8>, String> {
    read_trusted(path).map_err(|error| format!("{}: cannot use it: {error}", path.display()))
}
