//! The effects of options that change the list or end the evaluation.

use std::rc::Rc;

use crate::bytes::number::leading_i32;
use crate::bytes::split::split_once;
use crate::diagnostic::{Diagnostic, quote};
use crate::language::evaluation::blocks::Block;
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::evaluator::{Evaluator, Known, Outcome, Stop};
use crate::language::evaluation::reading::Loader;
use crate::language::expansion::expand;
use crate::language::expansion::expand::Sign;
use crate::language::text::permissions::names_of;
use crate::limits;
use crate::options::flag::is_on;
use crate::options::id::Id;
use crate::options::plugin_table::PluginOption;
use crate::options::plugins::NotLoaded;
use crate::options::row::{Kind, OptionRow};
use crate::options::values;

impl Evaluator<'_> {
    /// Runs the effect of an entry.
    pub(crate) fn run(&mut self, known: &Known, entry: &Entry) -> Outcome {
        if !matches!(known, Known::Custom(_)) {
            self.effects.push(entry.clone());
        }
        match known {
            Known::Core(row) => self.run_core(row, entry),
            Known::Plugin(row) => self.run_plugin(row, entry),
            Known::Custom(custom) => self.run_custom(custom, entry),
        }
    }

    fn run_core(&mut self, row: &OptionRow, entry: &Entry) -> Outcome {
        let value = entry.value.as_deref().unwrap_or_default();
        match row.kind {
            Kind::End => Ok(()),
            Kind::Opener => self.open_block(row, entry, value),
            Kind::Sets => self.run_set(row, entry, value),
            Kind::Load => self.run_load(row, entry, value),
            Kind::Flag | Kind::List | Kind::Last | Kind::Natural | Kind::Integer | Kind::Megabytes => {
                self.run_named(row, entry, value)
            }
            Kind::Union | Kind::Identity | Kind::Acts | Kind::Opaque => self.run_named(row, entry, value),
        }
    }

    /// Opens a block; blocks do not nest (C4).
    fn open_block(&mut self, row: &OptionRow, entry: &Entry, value: &[u8]) -> Outcome {
        if self.block.is_some() {
            let what = format!(
                "{} stands in another block, and blocks do not nest",
                quote(&entry.key)
            );
            return self.refuse(&entry.origin, what);
        }
        self.warn_of_raw_reference(entry, value);
        let block = Block::open(
            row.canonical,
            &entry.key,
            value,
            &entry.origin,
            self.reading.depth(),
        );
        self.block = block.map(Rc::new);
        Ok(())
    }

    /// `set`, `set-ph` and `resolve`, which add another entry (P1, P2).
    fn run_set(&mut self, row: &OptionRow, entry: &Entry, value: &[u8]) -> Outcome {
        let Some((key, value)) = split_once(value, b'=') else {
            return self.refuse(
                &entry.origin,
                format!("{} takes KEY=VALUE, not {}", quote(&entry.key), quote(value)),
            );
        };
        let key = key.to_vec();
        let added = |value: &[u8]| Entry::new(key.clone(), Some(value.to_vec()), entry.origin.clone());
        match row.id {
            Some(Id::Set) => self.add(added(value)),
            _ if self.known(&key).is_some() => self.refuse(
                &entry.origin,
                format!("{} is an option, and cannot be a placeholder", quote(&key)),
            ),
            Some(Id::Resolve) => match self.world.resolve(value) {
                Ok(address) => self.add_placeholder(added(&address)),
                Err(reason) => self.refuse(
                    &entry.origin,
                    format!("cannot resolve {}: {reason}", quote(value)),
                ),
            },
            _ => self.add_placeholder(added(value)),
        }
    }

    fn run_load(&mut self, row: &OptionRow, entry: &Entry, value: &[u8]) -> Outcome {
        self.warn_of_raw_reference(entry, value);
        match row.id {
            Some(Id::Ini) => self.load(value, Loader::Ini, &entry.origin),
            Some(Id::Include | Id::Inherit) => self.load(value, Loader::ByEnding, &entry.origin),
            Some(Id::Config) => self.refuse(&entry.origin, format!("no plugin reads {}", quote(value))), // I2
            _ => self.refuse(
                &entry.origin,
                format!(
                    "cannot read {} as {}: only INI is read",
                    quote(value),
                    row.canonical
                ),
            ),
        }
    }

    fn run_named(&mut self, row: &OptionRow, entry: &Entry, value: &[u8]) -> Outcome {
        match row.id {
            Some(Id::Print | Id::Iprint) => self.printed.push(value.to_vec()),
            Some(Id::Exit) => return Err(Stop::Exit(exit_code(entry.value.as_deref()))),
            Some(Id::Strict) => self.is_strict = is_on(value),
            Some(Id::Blacklist) => self.permissions.blacklist = Some(names_of(value)),
            Some(Id::Whitelist) => self.permissions.whitelist = Some(names_of(value)),
            Some(Id::EndBlacklist) => self.permissions.blacklist = None,
            Some(Id::EndWhitelist) => self.permissions.whitelist = None,
            Some(Id::InjectBefore) => self.reading.before.push(value.to_vec()),
            Some(Id::InjectAfter) => self.reading.after.push(value.to_vec()),
            Some(Id::PluginsDir) => self.plugins.add_directory(value),
            Some(Id::Plugins | Id::NeedPlugins) => return self.run_plugins(row, entry, value),
            Some(Id::DeclareOption | Id::DeclareOption2) => return self.declare(entry, value),
            Some(Id::EarlyEnvdir) => return self.read_envdir(entry, value),
            _ if values::ends_the_process(row) && !self.is_foreign => {
                let error = format!("{} makes uWSGI do something else and end", quote(&entry.key));
                return self.refuse(&entry.origin, error);
            }
            // An option with an optional value has none to be checked.
            _ if entry.value.is_none() => {}
            _ => {
                if let Err(wrong) = values::check(row, value, self.world) {
                    return self.refuse(
                        &entry.origin,
                        format!("{} {wrong}, not {}", quote(&entry.key), quote(value)),
                    );
                }
            }
        }
        if row.immediate {
            self.warn_of_raw_reference(entry, value);
        }
        Ok(())
    }

    /// Loads plugins. A missing one is only logged for `plugin`, and an error for `need-plugin` (U3).
    fn run_plugins(&mut self, row: &OptionRow, entry: &Entry, value: &[u8]) -> Outcome {
        self.warn_of_raw_reference(entry, value);
        let Some(not_loaded) = self.plugins.load(value, self.world) else {
            return self.refuse(
                &entry.origin,
                format!(
                    "more than {} files of plugins are looked for",
                    limits::PLUGIN_FILES
                ),
            );
        };
        let is_needed = row.id == Some(Id::NeedPlugins);
        for word in not_loaded {
            match word {
                NotLoaded::Missing(name) if is_needed => {
                    return self.refuse(&entry.origin, format!("cannot find plugin {}", quote(name)));
                }
                NotLoaded::Missing(name) => {
                    let what = format!("cannot find plugin {}, skipping", quote(name));
                    self.warn(Diagnostic::warning(Some(entry.origin.clone()), what));
                }
                NotLoaded::Again(name) if is_needed => {
                    let what = format!("plugin {} is loaded already", quote(name));
                    let hint =
                        "uWSGI refuses that for need-plugin; write plugin =, or leave one of the lines out";
                    let origin = Some(entry.origin.clone());
                    return Err(Diagnostic::error(origin, what).with_hint(hint).into());
                }
                NotLoaded::Again(_) => {}
            }
        }
        Ok(())
    }

    /// Runs a plugin's option: those of Python for `ini-paste` read a file as `ini` does.
    fn run_plugin(&mut self, row: &PluginOption, entry: &Entry) -> Outcome {
        if row.immediate {
            return self.load(
                entry.value.as_deref().unwrap_or_default(),
                Loader::Ini,
                &entry.origin,
            );
        }
        Ok(())
    }

    /// `early-envdir`: each regular file of a directory that is not hidden sets a variable (E5) to its text without
    /// trailing white space; an empty file unsets the variable.
    fn read_envdir(&mut self, entry: &Entry, directory: &[u8]) -> Outcome {
        let mut names = match self.world.list_dir(directory) {
            Ok(names) => names,
            Err(reason) => {
                return self.refuse(
                    &entry.origin,
                    format!("cannot read {}: {reason}", quote(directory)),
                );
            }
        };
        names.sort();
        for name in names {
            let path = [directory, b"/", &name].concat();
            if name.starts_with(b".") || !self.world.is_file(&path) {
                continue;
            }
            if name.contains(&b'=') {
                return self.refuse(
                    &entry.origin,
                    format!("cannot set a variable named {}", quote(&name)),
                );
            }
            let text = self.read_source(&path, &entry.origin)?;
            self.set_variable(name, &text);
        }
        Ok(())
    }

    fn set_variable(&mut self, name: Vec<u8>, text: &[u8]) {
        if text.is_empty() {
            self.early.push((name, None));
            return;
        }
        let visible = text.split(|&byte| byte == 0).next().unwrap_or_default();
        let end = visible
            .iter()
            .rposition(|byte| !byte.is_ascii_whitespace())
            .map_or(0, |last| last + 1);
        let value = visible.get(..end).unwrap_or_default().to_vec();
        self.early.push((name, Some(value)));
    }

    /// Warns that the value of an immediate option contains a reference, which it sees unreplaced (E2).
    fn warn_of_raw_reference(&mut self, entry: &Entry, value: &[u8]) {
        let found = Sign::PASSES
            .iter()
            .find_map(|&sign| expand::remaining(value, sign));
        let is_immediate = entry.row().is_some_and(|row| row.immediate);
        if let Some(reference) = found.filter(|_| is_immediate) {
            let (option, reference) = (quote(&entry.key), quote(reference));
            let what = format!(
                "{reference} stays as written, because {option} takes effect before references are replaced"
            );
            self.warn(Diagnostic::warning(Some(entry.origin.clone()), what));
        }
    }
}

/// The exit status for `exit = N` (U3): the part of the number that the kernel keeps, and 1 for a bare `--exit`.
fn exit_code(value: Option<&[u8]>) -> i32 {
    value.map_or(1, leading_i32) & 0xff
}

#[cfg(test)]
mod tests;
