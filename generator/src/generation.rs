//! One run of the generator: emperor.ini names places, places contain vassals' files, and each file becomes a unit. A
//! unit is written as soon as no other file can have a better claim to its name.

use crate::answer::{NO_ANSWER, Wanted, unpack_result};
use crate::apart::Work;
use crate::drop_in::{DropIn, Text};
use crate::emperor_file;
use crate::kept::{Kept, Last};
use crate::pack::Fields;
use crate::read::{self, Unit};
use crate::writer::Writer;
use std::collections::BTreeMap;
use std::path::Path;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::vassals::{Kind, choose, name_of, shown};
use vassal_config::machine::trusted::Reader;
use vassal_escape::printable;

/// A question to a filesystem, asked in a child.
#[derive(Debug, Clone)]
pub enum Item {
    /// Read emperor.ini.
    Emperor,
    /// List the place of this index in emperor.ini.
    Place(usize),
    /// Read the file of this index in the list of all paths of all places.
    File(VassalName, usize),
}

/// The state of a run. It begins with the item [`Item::Emperor`].
#[derive(Debug)]
pub struct Generation<'a> {
    root: &'a Path,
    reader: Reader,
    last: Last<'a>,
    /// emperor.ini once it was read: `None` when there is none, an error when it cannot be used.
    emperor: Result<Option<Wanted>, String>,
    /// Every path found in the places.
    listed: Vec<Listed>,
    /// How many places have not been listed yet.
    awaited: usize,
    /// How many paths claim each name.
    claims: BTreeMap<VassalName, usize>,
    /// Units that cannot be written yet, because another path claims the same name; by the index of their path.
    held: BTreeMap<usize, Unit>,
    writer: Writer<'a>,
}

#[derive(Debug)]
struct Listed {
    path: Vec<u8>,
    place: usize,
    /// What is at the path; `None` for a vassal on demand that vassal-emperor has not asked about yet.
    kind: Option<Kind>,
}

impl<'a> Generation<'a> {
    /// A run for the machine whose root directory is `root`.
    pub fn new(root: &'a Path, writer: Writer<'a>) -> Self {
        Self {
            root,
            reader: Reader::default(),
            last: Last::of(root),
            emperor: Ok(None),
            listed: Vec::new(),
            awaited: 0,
            claims: BTreeMap::new(),
            held: BTreeMap::new(),
            writer,
        }
    }

    /// Writes the units that were held back. Returns the writer, and whether there is an emperor.ini.
    pub fn finish(mut self) -> (Writer<'a>, bool) {
        // Sorted by place, because the answer about an earlier place may have come later.
        let mut order: Vec<usize> = (0..self.listed.len()).collect();
        order.sort_by_key(|number| self.listed[*number].place);
        let listed = order.iter().map(|number| &self.listed[*number]);
        let files = listed.filter_map(|listed| Some((listed.path.clone(), listed.kind?)));
        let (chosen, odd) = choose(files);
        self.writer.problems.extend(odd);
        let mut held = std::mem::take(&mut self.held);
        for number in order {
            let Some(unit) = held.remove(&number) else {
                continue;
            };
            let path = &self.listed[number].path;
            if let Ok(name) = name_of(path) {
                // A path listed by two places appears twice.
                if chosen.get(&name) == Some(path) && !self.writer.has(&name) {
                    self.write(&name, number, unit);
                }
            }
        }
        (self.writer, !matches!(self.emperor, Ok(None)))
    }

    /// Writes the drop-in made from a file, or the one from the last run where the file could not be read.
    fn write(&mut self, name: &VassalName, number: usize, unit: Unit) {
        let Ok(Some(wanted)) = &self.emperor else { return };
        let Listed { path, place, .. } = &self.listed[number];
        let bare = || DropIn::bare(name, path, &wanted.common).render();
        let (text, why): (Text, _) = match unit {
            Unit::DropIn(text, wrong) => {
                self.writer.problems.extend(wrong);
                (text, None)
            }
            Unit::NoFile | Unit::Unasked => (bare(), None),
            Unit::Unreadable(why) => {
                let why = format!("{}: cannot read it: {why}", printable(path));
                self.writer
                    .problems
                    .push(format!("{why}, so its unit stays as it is"));
                (self.last.text_of(path).unwrap_or_else(bare), Some(why))
            }
        };
        let kept = Kept {
            place: wanted
                .places
                .get(*place)
                .map(|place| place.path().to_vec())
                .unwrap_or_default(),
            file: path.clone(),
            text,
        };
        self.writer.write(name, &kept, why.as_deref());
    }

    fn places(&self) -> &[Place] {
        match &self.emperor {
            Ok(Some(wanted)) => &wanted.places,
            Ok(None) | Err(_) => &[],
        }
    }
}

impl Work for Generation<'_> {
    type Item = Item;

    fn answer(&self, item: &Item) -> Fields {
        match (item, &self.emperor) {
            (Item::Emperor, _) => emperor_file::answer(self.root),
            (Item::Place(number), _) => emperor_file::files(self.root, &self.places()[*number]),
            (Item::File(name, number), Ok(Some(wanted))) => {
                let path = &self.listed[*number].path;
                read::unit(&self.reader, self.root, (name, path), &wanted.common).pack()
            }
            (Item::File(..), Ok(None) | Err(_)) => Fields::new(),
        }
    }

    fn follow(&mut self, item: &Item, answer: Option<&Fields>) -> Vec<Item> {
        match item {
            Item::Emperor => {
                self.emperor = emperor_file::of_answer(answer.cloned());
                self.awaited = self.places().len();
                (0..self.awaited).map(Item::Place).collect()
            }
            Item::Place(place) => {
                // A place that cannot be listed keeps the files that it had in the last run.
                let paths = unpack_result(answer.cloned())
                    .unwrap_or_else(|_| self.last.files_in(self.places()[*place].path()));
                self.awaited -= 1;
                let mut items = Vec::new();
                for path in paths {
                    if let Ok(name) = name_of(&path) {
                        *self.claims.entry(name.clone()).or_default() += 1;
                        items.push(Item::File(name, self.listed.len()));
                    }
                    self.listed.push(Listed {
                        path,
                        place: *place,
                        kind: Some(Kind::File),
                    });
                }
                items
            }
            Item::File(..) => Vec::new(),
        }
    }

    fn take(&mut self, item: Item, answer: Option<Fields>) {
        match item {
            Item::Emperor => match &self.emperor {
                Ok(None) => {}
                Ok(Some(wanted)) => self.writer.begin(wanted),
                // Running vassals keep their limits until emperor.ini has been mended.
                Err(problem) => self.writer.keep_everything(problem),
            },
            Item::Place(place) => {
                if let Err(why) = unpack_result(answer) {
                    self.writer.problems.push(format!(
                        "{}: cannot read it: {why}, so its vassals' units stay as they are",
                        shown(&self.places()[place])
                    ));
                }
            }
            Item::File(name, number) => {
                let unit = answer.and_then(|answer| Unit::unpack(&answer));
                let unit = unit.unwrap_or_else(|| Unit::Unreadable(NO_ANSWER.to_owned()));
                self.listed[number].kind = match unit {
                    Unit::DropIn(..) | Unit::Unreadable(_) => Some(Kind::File),
                    Unit::NoFile => Some(Kind::Other),
                    Unit::Unasked => None,
                };
                let is_alone = self.awaited == 0 && self.claims.get(&name) == Some(&1);
                match (is_alone, &unit) {
                    (_, Unit::NoFile | Unit::Unasked) => {}
                    (true, _) => self.write(&name, number, unit),
                    (false, _) => {
                        self.held.insert(number, unit);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_first_place_that_has_a_name_wins_though_it_answers_last() {
        let root = tempfile::tempdir().unwrap();
        let out = tempfile::tempdir().unwrap();
        for (file, text) in [
            (
                "etc/vassal/emperor.ini",
                "[uwsgi]\nemperor = /first\nemperor = /second\n",
            ),
            ("first/x.ini", "[Unit]\nDescription=first\n"),
            ("second/x.ini", "[Unit]\nDescription=second\n"),
            ("run/x", ""),
        ] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut generation = Generation::new(root.path(), Writer::new(root.path(), out.path()));
        let mut settle = |item: Item| {
            let answer = generation.answer(&item);
            let items = generation.follow(&item, Some(&answer));
            generation.take(item, Some(answer));
            items
        };
        let places = settle(Item::Emperor);
        let files: Vec<Item> = places.into_iter().rev().flat_map(&mut settle).collect();
        files.into_iter().for_each(|file| drop(settle(file)));
        let (writer, _) = generation.finish();
        writer.finish();
        let text = fs::read_to_string(out.path().join("vassal@x.service.d/50-vassal.conf")).unwrap();
        assert!(text.contains("Description=first"), "{text}");
    }
}
