//! Finds the vassals' files. They may be on a filesystem that hangs, so everything that could block is done in a
//! process that can be abandoned; one file does not keep vassalctl from handling the other vassals.

use super::threads;
use crate::arguments::Place;
use crate::reading::emperor_file;
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use vassal_config::emperor::vassals::{Kind, choose, name_of, outside, shown};
use vassal_escape::printable;
use vassal_escape::unit_name::escape;
use vassal_generator::apart;
use vassal_generator::pack::{self, Fields};

/// A vassal's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path.
    pub path: PathBuf,
    /// Its dates, if they could be read.
    pub dates: Option<Dates>,
}

/// Dates since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// The time of the last modification, in seconds.
    pub modified: u64,
    /// The time of the last status change, in microseconds.
    pub changed_usec: u64,
}

/// All vassals' files.
#[derive(Debug, Default)]
pub struct Files {
    /// The files, by the instances of their units.
    pub files: BTreeMap<String, File>,
    /// The places in emperor.ini.
    pub places: Vec<String>,
    /// Whether these are all: the emperor's file and each of its places could be read.
    pub are_all: bool,
    /// What could not be found out, one line each.
    pub problems: Vec<String>,
}

/// The type and the dates of a path.
type Look = (Kind, Option<Dates>);

/// How long an abandoned process may take to end; if the kernel holds it longer it is not waited for.
const END: Duration = Duration::from_millis(20);

/// Reaps abandoned processes. The caller must have no other children.
pub fn reap() {
    apart::reap(END);
}

/// Finds the files of the machine at `root`. It forks, so the caller must have one thread.
pub fn find(place: &Place, root: &Path) -> Files {
    let mut found = Files::default();
    let Some(paths) = list(place, root, &mut found) else {
        found
            .problems
            .push("the emperor's file or its directories do not answer: what runs is shown".to_owned());
        return found;
    };
    // Paths whose names cannot be vassals' are not looked at.
    let paths: Vec<_> = paths.into_iter().filter(|path| name_of(path).is_ok()).collect();
    let mut looks: Vec<Option<Look>> = threads::each(&paths, |path| look_here(&outside(root, path)));
    let open: Vec<usize> = (0..paths.len()).filter(|at| looks[*at].is_none()).collect();
    let answers = apart::each(&open, |at| {
        recorded(outside(root, &paths[*at]).metadata().ok().as_ref())
    });
    for (at, answer) in open.iter().zip(answers.unwrap_or_default()) {
        looks[*at] = answer.map(read);
        if looks[*at].is_none() {
            found
                .problems
                .push(format!("{}: it does not answer", printable(&paths[*at])));
        }
    }
    let kinds = paths.iter().zip(&looks).map(|(path, look)| {
        // A path that does not answer may be a file.
        let kind = look.map_or(Kind::File, |(kind, _)| kind);
        (path.clone(), kind)
    });
    let (chosen, odd) = choose(kinds);
    found.problems.extend(odd);
    let dates: BTreeMap<&Vec<u8>, Option<Dates>> = paths
        .iter()
        .zip(looks.iter().map(|look| look.and_then(|(_, dates)| dates)))
        .collect();
    found.files = chosen
        .into_iter()
        .map(|(name, file)| {
            let dates = dates.get(&file).copied().flatten();
            let path = outside(root, &file);
            (escape(name.bytes()), File { path, dates })
        })
        .collect();
    found
}

/// Lists the paths in the emperor's places; `None` if that is impossible in time. emperor.ini itself is read in this
/// process, but only after a child has read it without blocking.
fn list(place: &Place, root: &Path, found: &mut Files) -> Option<Vec<Vec<u8>>> {
    let everything = apart::each(&[()], |()| {
        let emperor = emperor_file::find(place, root);
        let listed = emperor
            .emperor
            .places
            .iter()
            .map(|place| match place.files(root) {
                // It may be mounted later, or again.
                Ok(paths) if paths.is_empty() && place.is_missing(root) => {
                    let why = format!("there is no directory {}", shown(place));
                    pack::pack(&[why.into_bytes()])
                }
                Ok(paths) => pack::pack(&[Vec::new(), pack::pack(&paths)]),
                Err(error) => {
                    let why = format!("{}: cannot read it: {error}, skipping", shown(place));
                    pack::pack(&[why.into_bytes()])
                }
            });
        listed.collect::<Fields>()
    });
    let listed = everything.ok()?.into_iter().next().flatten()?;
    let emperor = emperor_file::find(place, root);
    match &emperor.file {
        None => found.problems.push(format!(
            "there is no emperor's file {}",
            crate::reading::finding::shown(&place.emperor)
        )),
        Some(_) if emperor.is_wrong() => found
            .problems
            .push("the emperor's file is wrong (vassalctl check)".to_owned()),
        Some(_) => found.are_all = true,
    }
    found.places = emperor
        .emperor
        .places
        .iter()
        .map(|place| printable(place.path()))
        .collect();
    let mut paths = Vec::new();
    for place in listed {
        match pack::unpack(&place)?.as_slice() {
            [_, files] => paths.extend(pack::unpack(files)?),
            [why] => {
                found.are_all = false;
                found.problems.push(String::from_utf8_lossy(why).into_owned());
            }
            _ => return None,
        }
    }
    Some(paths)
}

/// The type and the dates of `path`, if it is a file and no link: in a directory that has answered, this cannot block.
fn look_here(path: &Path) -> Option<Look> {
    let metadata = path.symlink_metadata().ok()?;
    metadata.is_file().then(|| look_of(Some(&metadata)))
}

fn look_of(metadata: Option<&Metadata>) -> Look {
    let Some(metadata) = metadata else {
        return (Kind::Other, None);
    };
    let (seconds, nanos) = (metadata.ctime(), metadata.ctime_nsec());
    let dates = Dates {
        modified: u64::try_from(metadata.mtime()).unwrap_or_default(),
        changed_usec: u64::try_from(seconds * 1_000_000 + nanos / 1000).unwrap_or_default(),
    };
    let kind = if metadata.is_file() {
        Kind::File
    } else {
        Kind::Other
    };
    (kind, Some(dates))
}

/// Encodes a look as a record.
fn recorded(metadata: Option<&Metadata>) -> Fields {
    match look_of(metadata) {
        (Kind::File, Some(dates)) => {
            vec![
                dates.modified.to_le_bytes().to_vec(),
                dates.changed_usec.to_le_bytes().to_vec(),
            ]
        }
        _ => Fields::new(),
    }
}

fn read(fields: Fields) -> Look {
    let number = |bytes: &[u8]| bytes.try_into().map(u64::from_le_bytes).unwrap_or_default();
    match fields.as_slice() {
        [modified, changed] => {
            let dates = Dates {
                modified: number(modified),
                changed_usec: number(changed),
            };
            (Kind::File, Some(dates))
        }
        _ => (Kind::Other, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_in_another_process_is_the_same() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let here = look_here(file.path()).unwrap();
        let metadata = file.path().metadata().unwrap();
        assert_eq!(read(recorded(Some(&metadata))), here);
        assert_eq!(read(recorded(None)), (Kind::Other, None));
        assert_eq!(look_here(Path::new("/absent")), None);
        assert_eq!(look_here(Path::new("/")), None);
    }
}
