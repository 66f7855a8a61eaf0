//! The layout inside a crate: no circle between its files, no import against the order of its rooms, no folder of more than fifteen files.
//!
//! A room is a folder or a file below `src/`. The order is the line of the crate's root, or of a room's `mod.rs`, that begins with
//! [`HEADER`]; a room may use those before it. Code that is compiled for tests only is not looked at.

use crate::text::{files, read};
use std::collections::{BTreeMap, BTreeSet};
use syn::visit::{self, Visit};

const HEADER: &str = "//! Rooms, each of which uses only those before it: ";
/// The most source files in one folder.
const MOST_FILES: usize = 15;
/// The directories of sources, and the file that is the root of each crate there.
const CRATES: &[(&str, &str)] = &[
    ("generator/src", "lib"),
    ("helpers/config/src", "lib"),
    ("helpers/ctl/src", "main"),
    ("helpers/emperor/src", "lib"),
    ("helpers/enter/src", "main"),
    ("helpers/escape/src", "lib"),
    ("helpers/state/src", "lib"),
    ("helpers/sys/src", "lib"),
    ("helpers/systemd/src", "lib"),
    ("helpers/watchdog/src", "main"),
];

type Module = Vec<String>;

/// A path that a file uses, and its line.
type Used = (Vec<String>, usize);

/// The paths of one file, as written.
#[derive(Default)]
struct Paths(Vec<Used>);

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || (attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Ident>()
                    .is_ok_and(|word| word == "test"))
    })
}

impl Paths {
    fn tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.0.push((with(&name.ident), name.ident.span().start().line)),
            syn::UseTree::Rename(rename) => self
                .0
                .push((with(&rename.ident), rename.ident.span().start().line)),
            syn::UseTree::Glob(glob) => self
                .0
                .push((before.to_vec(), glob.star_token.spans[0].start().line)),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.tree(before, item)),
        }
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|segment| segment.ident.to_string())
            .collect();
        let line = path.segments[0].ident.span().start().line;
        if segments.len() > 1 {
            self.0.push((segments, line));
        }
        visit::visit_path(self, path);
    }
}

/// The files of a crate, and for each which others it uses, with the line.
struct Crate {
    files: BTreeMap<Module, String>,
    uses: BTreeMap<Module, BTreeMap<Module, usize>>,
}

impl Crate {
    fn read(directory: &str, root: &str) -> Self {
        let mut files_of = BTreeMap::new();
        for path in files(directory, ".rs") {
            let inner = path[directory.len() + 1..].trim_end_matches(".rs");
            let mut module: Module = inner.split('/').map(str::to_owned).collect();
            let is_root = module == [root.to_owned()];
            if is_root || module.last().is_some_and(|last| last == "mod") {
                module.pop();
            }
            let is_other_root = module == ["main".to_owned()];
            if !is_other_root && !module.iter().any(|name| name == "tests") {
                files_of.insert(module, path);
            }
        }
        let mut found = Self {
            files: files_of,
            uses: BTreeMap::new(),
        };
        let parsed: Vec<_> = found
            .files
            .iter()
            .map(|(module, path)| (module.clone(), parse(path)))
            .collect();
        for (parent, file) in &parsed {
            for item in &file.items {
                if let syn::Item::Mod(item) = item
                    && is_for_tests(&item.attrs)
                {
                    found
                        .files
                        .remove(&[parent.as_slice(), &[item.ident.to_string()]].concat());
                }
            }
        }
        for (module, file) in parsed {
            if found.files.contains_key(&module) {
                let mut paths = Paths::default();
                paths.visit_file(&file);
                let used = paths
                    .0
                    .iter()
                    .filter_map(|(path, line)| Some((found.used(&module, path)?, *line)));
                let used = used.filter(|(other, _)| *other != module).collect();
                found.uses.insert(module, used);
            }
        }
        found
    }

    /// The file that a path written in `module` leads to; none for other crates'.
    fn used(&self, module: &[String], path: &[String]) -> Option<Module> {
        let supers = path.iter().take_while(|segment| *segment == "super").count();
        let full = match path.first()?.as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [module, &path[1..]].concat(),
            "super" => [&module[..module.len().checked_sub(supers)?], &path[supers..]].concat(),
            first => {
                let child = [module, &[first.to_owned()]].concat();
                self.files.contains_key(&child).then(|| [module, path].concat())?
            }
        };
        let ends = (0..=full.len()).rev().map(|end| full[..end].to_vec());
        let mut ends = ends.filter(|end| self.files.contains_key(end));
        ends.next()
    }

    /// Whether `from` leads to `to` by imports.
    fn leads(&self, from: &Module, to: &Module, seen: &mut BTreeSet<Module>) -> bool {
        let others = self.uses.get(from).into_iter().flat_map(BTreeMap::keys);
        others
            .into_iter()
            .any(|other| other == to || (seen.insert(other.clone()) && self.leads(other, to, seen)))
    }

    fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let circles = arrows.filter(|(from, to, _)| self.leads(to, from, &mut BTreeSet::new()));
        circles
            .map(|(from, to, line)| {
                format!(
                    "{}:{line}: imports '{}', which leads back to it",
                    self.files[from],
                    to.join("::")
                )
            })
            .collect()
    }

    fn arrows(&self) -> impl Iterator<Item = (&Module, &Module, usize)> {
        let all = self.uses.iter();
        all.flat_map(|(from, used)| used.iter().map(move |(to, line)| (from, to, *line)))
    }

    /// The imports against the order of a door's header: `door` is the crate's root, or a room with a header of its own.
    fn upward(&self, door: &Module) -> Vec<String> {
        let path = &self.files[door];
        let text = read(path);
        let Some(order) = order(&text) else {
            let is_room = door.is_empty() && self.files.len() > 2;
            return is_room
                .then(|| format!("{path}: has no line '{HEADER}…'"))
                .into_iter()
                .collect();
        };
        let place = |module: &Module| match module.strip_prefix(door.as_slice())? {
            [] => Some(order.len()),
            [room, ..] => Some(order.iter().position(|name| name == room).unwrap_or(usize::MAX)),
        };
        let mut wrong = Vec::new();
        for (from, to, line) in self.arrows() {
            if let (Some(lower), Some(upper)) = (place(from), place(to))
                && lower < upper
            {
                wrong.push(format!(
                    "{}:{line}: '{}' is not before it in {path}",
                    self.files[from],
                    to.join("::")
                ));
            }
        }
        let rooms: BTreeSet<_> = self
            .files
            .keys()
            .filter_map(|module| module.strip_prefix(door.as_slice())?.first())
            .collect();
        let named: BTreeSet<_> = order.iter().collect();
        if rooms != named {
            wrong.push(format!(
                "{path}: its header names {named:?}, its rooms are {rooms:?}"
            ));
        }
        wrong
    }
}

fn parse(path: &str) -> syn::File {
    syn::parse_file(&read(path)).unwrap_or_else(|reason| panic!("{path}: {reason}"))
}

/// The rooms in the order of the header, which goes on over lines up to a full stop.
fn order(text: &str) -> Option<Vec<String>> {
    let list: String = text
        .split_once(HEADER)?
        .1
        .replace("\n//!", "")
        .split_once('.')?
        .0
        .to_owned();
    Some(list.split(',').map(|room| room.trim().to_owned()).collect())
}

fn wrong(look: impl Fn(&Crate) -> Vec<String>) -> String {
    let crates = CRATES
        .iter()
        .map(|(directory, root)| Crate::read(directory, root));
    crates.flat_map(|read| look(&read)).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let wrong = wrong(Crate::circles);
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn a_room_imports_only_rooms_that_stand_before_it_in_the_header() {
    let all = |read: &Crate| read.files.keys().flat_map(|door| read.upward(door)).collect();
    let wrong = wrong(all);
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn no_folder_holds_more_than_fifteen_source_files() {
    let mut folders = BTreeMap::<String, usize>::new();
    for top in ["generator", "helpers", "tests"] {
        for path in files(top, ".rs") {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            *folders.entry(folder.to_owned()).or_default() += 1;
        }
    }
    let full: Vec<_> = folders.iter().filter(|(_, count)| **count > MOST_FILES).collect();
    assert!(folders.len() > 20 && full.is_empty(), "{full:?}");
}
