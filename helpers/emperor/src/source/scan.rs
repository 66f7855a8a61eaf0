//! Reads all vassals' files. A filesystem may never answer, and a file may exhaust the memory, so this runs in a
//! process of its own (`vassal-emperor --scan`), which uses the generator's code and has its child processes do the
//! accesses that may hang. Files whose dates have not changed since the last scan are not read again.

use super::answer::{Answer, Cache, Found, ListedFile, Watched};
use super::entry::{Scanner, hash};
use super::watches::{watches_of_file, watches_of_path};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::vassals::{Kind, choose, name_of, outside, shown};
use vassal_config::machine::trusted::Reader;
use vassal_generator::answer::{NO_ANSWER, Wanted, pack_result, unpack_result};
use vassal_generator::apart;
use vassal_generator::pack::{Fields, pack, unpack};

/// The emperor's file.
pub const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";

/// Reads all files below `root`, except for those in `cache` with the same dates; `generated` is the generator's
/// directory.
pub fn scan(root: &Path, generated: &Path, cache: &Cache) -> Answer {
    let mut answer = Answer::default();
    let wanted = match vassal_generator::emperor_file::emperor(root) {
        Ok(Some(wanted)) if !wanted.places.is_empty() => wanted,
        Ok(Some(_)) => {
            answer.unusable = Some(format!("{EMPEROR_FILE}: no 'emperor = DIRECTORY' line"));
            Wanted::default()
        }
        Ok(None) => {
            answer.unusable = Some(format!("{EMPEROR_FILE}: it is not there"));
            Wanted::default()
        }
        Err(why) => {
            answer.unusable = Some(why);
            Wanted::default()
        }
    };
    answer
        .watched
        .extend(watches_of_file(&root.join(relative(EMPEROR_FILE))));
    answer.settings = hash(&pack(
        &Wanted {
            problems: Vec::new(),
            ..wanted.clone()
        }
        .pack(),
    ));
    answer.problems.clone_from(&wanted.problems);
    answer.statistics.clone_from(&wanted.statistics);
    let listed = list(root, &wanted.places, &mut answer);
    let scanner = Scanner {
        root,
        generated,
        wanted: &wanted,
        cache: match cache.settings == answer.settings {
            true => cache,
            false => &Cache::default(),
        },
        reader: Reader::default(),
    };
    read(&scanner, listed, &mut answer);
    answer
}

/// A file's path, and the place that has it.
type Candidate = (Vec<u8>, Vec<u8>);

/// Lists the files in all places, and adds the directories to watch to `answer`.
fn list(root: &Path, places: &[Place], answer: &mut Answer) -> Vec<Candidate> {
    let answers = apart::each(places, |place| list_place(root, place)).unwrap_or_else(|error| {
        answer
            .problems
            .push(format!("cannot read the vassals' directories: {error}"));
        places.iter().map(|_| None).collect()
    });
    let mut listed = Vec::new();
    for (place, found) in places.iter().zip(answers) {
        match unpack_result(found) {
            Ok(mut fields) if fields.len() >= HEAD => {
                let files = fields.split_off(HEAD);
                answer.watched.extend(
                    unpack(&fields[0])
                        .map(|fields| Watched::unpack(&fields))
                        .unwrap_or_default(),
                );
                if fields[1] == [0] {
                    answer.absent.push(place.path().to_vec());
                }
                listed.extend(files.into_iter().map(|file| (file, place.path().to_vec())));
            }
            Ok(_) => {}
            Err(why) => {
                answer.problems.push(format!(
                    "{}: cannot read it: {why}; its vassals stay as they are",
                    shown(place)
                ));
                answer.unreadable.push(place.path().to_vec());
            }
        }
    }
    listed
}

/// How many fields come before the files in the result of [`list_place`].
const HEAD: usize = 2;

/// Lists a place: the names to watch, whether it exists, and its files.
fn list_place(root: &Path, place: &Place) -> Fields {
    let files = place.files(root).map_err(|error| error.to_string());
    let directories: Vec<_> = place
        .directories(root)
        .iter()
        .map(|directory| outside(root, directory))
        .collect();
    let is_there = directories.iter().any(|directory| directory.is_dir());
    let way = directories
        .iter()
        .flat_map(|directory| watches_of_path(directory));
    let all = directories.iter().map(|directory| Watched {
        directory: directory.as_os_str().as_bytes().to_vec(),
        name: None,
        has_content: true,
    });
    let watched = Watched::pack(&way.chain(all).collect::<Vec<_>>());
    let head: [Vec<u8>; HEAD] = [pack(&watched), vec![u8::from(is_there)]];
    pack_result(files.map(|files| [head.to_vec(), files].concat()))
}

/// Reads the files that are vassals'.
fn read(scanner: &Scanner<'_>, listed: Vec<Candidate>, answer: &mut Answer) {
    let mut results = read_files(scanner, &listed, answer);
    let places: BTreeMap<&[u8], &[u8]> = listed
        .iter()
        .rev()
        .map(|(file, place)| (file.as_slice(), place.as_slice()))
        .collect();
    let kind = |(file, _): &Candidate| match results.get(file) {
        Some(Found::NoFile) => (file.clone(), Kind::Other),
        _ => (file.clone(), Kind::File),
    };
    let (chosen, odd) = choose(listed.iter().map(kind));
    answer.problems.extend(odd);
    for (name, file) in chosen {
        let found = results.remove(&file).unwrap_or(Found::NoFile);
        if let Found::File(content) = &found {
            answer.watched.extend(content.watched.iter().cloned());
        }
        let place = places.get(file.as_slice()).copied().unwrap_or_default();
        let place = place.to_vec();
        answer.files.insert(name, ListedFile { file, place, found });
    }
    let unique: BTreeSet<Watched> = std::mem::take(&mut answer.watched).into_iter().collect();
    answer.watched = unique.into_iter().collect();
}

/// Reads the files with vassals' names.
fn read_files(scanner: &Scanner<'_>, listed: &[Candidate], answer: &mut Answer) -> BTreeMap<Vec<u8>, Found> {
    let asked: Vec<(VassalName, Vec<u8>)> = listed
        .iter()
        .filter_map(|(file, _)| Some((name_of(file).ok()?, file.clone())))
        .collect();
    let at = |(name, file): &(VassalName, Vec<u8>)| scanner.read(name, file).pack();
    let answers = apart::each(&asked, at).unwrap_or_else(|error| {
        answer
            .problems
            .push(format!("cannot read the vassals' files: {error}"));
        asked.iter().map(|_| None).collect()
    });
    let results = asked.into_iter().zip(answers).map(|((_, file), found)| {
        let found = found.and_then(|fields| Found::unpack(&fields));
        (file, found.unwrap_or(Found::Unreadable(NO_ANSWER.to_owned())))
    });
    results.collect()
}

fn relative(path: &str) -> &OsStr {
    OsStr::from_bytes(path.trim_start_matches('/').as_bytes())
}
