//! All vassals' files as they are now. Everything here may wait for a filesystem for ever, or meet a file that takes all memory, so it
//! runs in a process of its own (`vassal-emperor --scan`), which reads with the generator's code and leaves what hangs to
//! children that may be lost. What has not changed by its dates since the last scan is not read again.

use super::answer::{Answer, Content, Known, Listed, Seen, Watched};
use crate::reconcile::Stamp;
use nix::sys::stat::Mode;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{DirBuilder, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::on_demand::ANSWERS;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::vassals::{Kind, choose, name_of, outside, shown};
use vassal_config::limits::FILE_BYTES;
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, lookups};
use vassal_config::machine::world::World;
use vassal_escape::shell;
use vassal_escape::unit_name::escape;
use vassal_generator::answer::{NO_ANSWER, Wanted, pack_result, unpack_result};
use vassal_generator::apart;
use vassal_generator::output::{self, Directory};
use vassal_generator::pack::{Fields, pack, unpack};
use vassal_generator::read::{Unit, unit_of};

/// The emperor's file.
pub const EMPEROR_FILE: &str = "/etc/vassal/emperor.ini";

/// Where a command's programs are.
const PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Reads everything below `root`, but not again what `known` has with the same dates; `generated` is the generator's directory.
pub fn scan(root: &Path, generated: &Path, known: &Known) -> Answer {
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
    answer.watched.extend(way_to(&root.join(relative(EMPEROR_FILE))));
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
    let known = if known.settings == answer.settings {
        known
    } else {
        &Known::default()
    };
    read(root, generated, &wanted, listed, known, &mut answer);
    answer
}

/// What the places have: paths, each with the place it is in, and the directories to watch.
fn list(root: &Path, places: &[Place], answer: &mut Answer) -> Vec<(Vec<u8>, Vec<u8>)> {
    let look = |place: &Place| {
        let files = place.files(root).map_err(|error| error.to_string());
        let directories = place.directories(root);
        let is_there = directories
            .iter()
            .any(|directory| outside(root, directory).is_dir());
        let way: Vec<Watched> = directories
            .iter()
            .flat_map(|directory| way_into(&outside(root, directory)))
            .collect();
        let all = directories.iter().map(|directory| Watched {
            directory: outside(root, directory).into_os_string().into_vec(),
            name: None,
            has_content: true,
        });
        let watched = Watched::pack(&way.into_iter().chain(all).collect::<Vec<_>>());
        let head = [pack(&watched), vec![u8::from(is_there)]];
        pack_result(files.map(|files| [head.to_vec(), files].concat()))
    };
    let answers = apart::each(places, look).unwrap_or_else(|error| {
        answer
            .problems
            .push(format!("cannot read the vassals' directories: {error}"));
        places.iter().map(|_| None).collect()
    });
    let mut listed = Vec::new();
    for (place, found) in places.iter().zip(answers) {
        match unpack_result(found) {
            Ok(mut fields) if fields.len() >= 2 => {
                let files = fields.split_off(2);
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

/// Reads the files that are vassals'.
fn read(
    root: &Path,
    generated: &Path,
    wanted: &Wanted,
    listed: Vec<(Vec<u8>, Vec<u8>)>,
    known: &Known,
    answer: &mut Answer,
) {
    let asked: Vec<(VassalName, Vec<u8>)> = listed
        .iter()
        .filter_map(|(file, _)| Some((name_of(file).ok()?, file.clone())))
        .collect();
    let reader = Reader::default();
    let look =
        |(name, file): &(VassalName, Vec<u8>)| one(root, generated, wanted, (name, file), &reader, known);
    let answers = apart::each(&asked, look).unwrap_or_else(|error| {
        answer
            .problems
            .push(format!("cannot read the vassals' files: {error}"));
        asked.iter().map(|_| None).collect()
    });
    let mut seen: BTreeMap<Vec<u8>, Seen> = BTreeMap::new();
    for ((_, file), found) in asked.into_iter().zip(answers) {
        let found = found.and_then(|fields| Seen::unpack(&fields));
        seen.insert(file, found.unwrap_or(Seen::Unreadable(NO_ANSWER.to_owned())));
    }
    let place_of: BTreeMap<&[u8], &[u8]> = listed
        .iter()
        .rev()
        .map(|(file, place)| (file.as_slice(), place.as_slice()))
        .collect();
    let kind = |(file, _): &(Vec<u8>, Vec<u8>)| match seen.get(file) {
        Some(Seen::NoFile) => (file.clone(), Kind::Other),
        _ => (file.clone(), Kind::File),
    };
    let (chosen, odd) = choose(listed.iter().map(kind));
    answer.problems.extend(odd);
    for (name, file) in chosen {
        let found = seen.remove(&file).unwrap_or(Seen::NoFile);
        if let Seen::File(content) = &found {
            answer.watched.extend(content.watched.iter().cloned());
        }
        let place = place_of
            .get(file.as_slice())
            .copied()
            .unwrap_or_default()
            .to_vec();
        answer.files.insert(name, Listed { file, place, found });
    }
    let unique: BTreeSet<Watched> = std::mem::take(&mut answer.watched).into_iter().collect();
    answer.watched = unique.into_iter().collect();
}

/// One file.
fn one(
    root: &Path,
    generated: &Path,
    wanted: &Wanted,
    (name, file): (&VassalName, &[u8]),
    reader: &Reader,
    known: &Known,
) -> Fields {
    let path = outside(root, file);
    let link = match path.symlink_metadata() {
        Ok(link) => link,
        // It was listed, and has gone since.
        Err(_) => return Seen::NoFile.pack(),
    };
    let is_link = link.is_symlink();
    let is_whole = is_link || link.nlink() > 1;
    let metadata = match is_link && !wanted.nofollow {
        true => path.metadata(),
        false => Ok(link),
    };
    // A link that leads nowhere is a vassal's only where links are not followed (EMP-4).
    let Ok(metadata) = metadata else {
        return Seen::NoFile.pack();
    };
    // Two changes within a second have the same dates there.
    let has_whole_seconds = metadata.mtime_nsec() == 0 && metadata.ctime_nsec() == 0;
    let mut dates = dates(&metadata);
    let mut watched = match is_link && !wanted.nofollow {
        true => way_to(&path),
        false => Vec::new(),
    };
    if let Some(address) = wanted.common.on_demand.file_of(name) {
        let address = path.with_file_name(OsStr::from_bytes(&address));
        dates.extend(address.metadata().as_ref().map(self::dates).unwrap_or_default());
        watched.extend(way_to(&address));
    }
    let (modified, changed) = (
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    );
    let mut content = Content {
        dates,
        changed,
        stamp: Stamp { modified, content: 0 },
        is_known: false,
        is_whole,
        drop_in: None,
        socket: None,
        problems: Vec::new(),
        watched,
    };
    if let Some(before) = known
        .files
        .get(file)
        .filter(|before| before.dates == content.dates && !has_whole_seconds)
    {
        content.is_known = true;
        (content.stamp.content, content.socket) = (before.content, before.socket);
        return Seen::File(content).pack();
    }
    let read = reader.read(&path);
    content.stamp.content = match (&read, is_link && wanted.nofollow) {
        (_, true) => hash(
            &std::fs::read_link(&path)
                .unwrap_or_default()
                .into_os_string()
                .into_vec(),
        ),
        (Ok(read), false) => hash(&read.content),
        (Err(error), false) => hash(error.to_string().as_bytes()),
    };
    if let Some(command) = &wanted.common.on_demand.command {
        if let Err(why) = ask_for_address(root, command, name, &path) {
            return Seen::Unreadable(format!("emperor-on-demand-exec: {why}")).pack();
        }
    }
    match unit_of(read, root, (name, file), &wanted.common) {
        Unit::DropIn(text, problems) => {
            content.socket = text.socket.as_ref().map(|text| hash(text.as_bytes()));
            content.stamp.content ^= content.socket.unwrap_or_default();
            content.drop_in = (!output::has(generated, name, &text)).then_some(text);
            content.problems = problems;
            Seen::File(content).pack()
        }
        Unit::NoFile if wanted.nofollow && is_link => Seen::File(content).pack(),
        Unit::NoFile | Unit::Unasked => Seen::NoFile.pack(),
        Unit::Unreadable(why) => Seen::Unreadable(why).pack(),
    }
}

/// Runs the command of `emperor-on-demand-exec` in the directory of a vassal's file, with its name, and keeps what it has said.
fn ask_for_address(root: &Path, command: &[u8], name: &VassalName, file: &Path) -> Result<(), String> {
    let directory = file.parent().unwrap_or(root).to_path_buf();
    let line = [command, b" ", &shell::word(&name.file())].concat();
    let world = System::new([(b"PATH".to_vec(), PATH.to_vec())].into(), directory);
    let said = world.run(&line, FILE_BYTES).map_err(|error| error.to_string())?;
    let answers = outside(root, ANSWERS.as_bytes());
    let mut builder = DirBuilder::new();
    let made = builder.recursive(true).mode(0o700).create(&answers);
    let kept = made
        .and_then(|()| Directory::open(&answers))
        .and_then(|answers| answers.put(&escape(name.bytes()), &said, Mode::S_IRUSR | Mode::S_IWUSR));
    kept.map_err(|error| error.to_string())
}

/// The names whose change leads `file` elsewhere, and the last one, which is the file.
fn way_to(file: &Path) -> Vec<Watched> {
    let mut way = way_into(file);
    if let Some(last) = way.last_mut() {
        last.has_content = true;
    }
    way
}

/// The names whose change leads `path` elsewhere.
fn way_into(path: &Path) -> Vec<Watched> {
    let watched = |(directory, name): (PathBuf, OsString)| Watched {
        directory: directory.into_os_string().into_vec(),
        name: Some(name.into_vec()),
        has_content: false,
    };
    lookups(path).into_iter().map(watched).collect()
}

/// What changes with anything that happens to a file.
fn dates(metadata: &Metadata) -> Vec<u8> {
    let numbers = [
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        time(metadata.mtime(), metadata.mtime_nsec()) as u64,
        time(metadata.ctime(), metadata.ctime_nsec()) as u64,
    ];
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Nanoseconds since 1970.
fn time(seconds: i64, nanoseconds: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds)
}

fn relative(path: &str) -> &OsStr {
    OsStr::from_bytes(path.trim_start_matches('/').as_bytes())
}

/// FNV-1a, which stays the same from one version of this program to the next.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
