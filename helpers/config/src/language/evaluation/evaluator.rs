//! The state of one evaluation, and how an entry is added to it (M0.3).

use std::rc::Rc;

use crate::bytes::replace::{TooLong, replaced};
use crate::diagnostic::{Diagnostic, Origin, quote};
use crate::language::evaluation::blocks;
use crate::language::evaluation::blocks::Block;
use crate::language::evaluation::custom::{Custom, Customs};
use crate::language::evaluation::evaluate::Entry;
use crate::language::evaluation::list::List;
use crate::language::evaluation::load::Reading;
use crate::language::text::permissions::Permissions;
use crate::limits;
use crate::machine::world::World;
use crate::options::lookup;
use crate::options::lookup::OptionRow;
use crate::options::plugins::{PluginOption, Plugins, debian_name, plugin_of};

/// What a step of the evaluation gives: something, or the end of it all.
pub(crate) type Step<T = ()> = Result<T, Stop>;

/// Why an evaluation ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// `exit = N` was met.
    Exit(i32),
    /// uWSGI would refuse to start.
    Refused(Box<Diagnostic>),
}

impl From<Diagnostic> for Stop {
    fn from(diagnostic: Diagnostic) -> Self {
        Stop::Refused(Box::new(diagnostic))
    }
}

/// Most warnings one evaluation gives; a loop over a bad line would give thousands.
const WARNINGS: usize = 100;

/// What a name means at this point of the evaluation.
pub(crate) enum Known {
    /// An option of the core.
    Core(OptionRow),
    /// An option of a plugin that is loaded.
    Plugin(&'static PluginOption),
    /// A declared option (K1); built-in names win (K2).
    Custom(Rc<Custom>),
}

impl Known {
    /// Whether the effect runs the moment the entry is added (O4, K1).
    pub(crate) fn is_immediate(&self) -> bool {
        match self {
            Known::Core(row) => row.immediate,
            Known::Plugin(row) => row.immediate,
            Known::Custom(_) => true,
        }
    }
}

/// As what an entry is added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Option,
    Placeholder,
}

/// One evaluation.
pub(crate) struct Evaluator<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) list: List,
    /// What `early-envdir` has made of variables of the environment; the last one counts, `None` is none at all (E5).
    pub(crate) early: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) reading: Reading,
    pub(crate) block: Option<Rc<Block>>,
    /// Lines of blocks seen so far.
    block_lines: usize,
    /// Names that `for-glob` may still look at.
    pub(crate) glob_names: usize,
    /// A line of a block's body is being added (C2, C13).
    pub(crate) is_replaying: bool,
    pub(crate) is_strict: bool,
    /// It is not for uWSGI: no option makes that do something else and end.
    pub(crate) is_foreign: bool,
    pub(crate) permissions: Permissions,
    pub(crate) customs: Customs,
    pub(crate) custom_depth: usize,
    pub(crate) custom_bytes: usize,
    pub(crate) plugins: Plugins,
    pub(crate) printed: Vec<Vec<u8>>,
    /// Every option that took effect, custom ones as what they did.
    pub(crate) effects: Vec<Entry>,
    pub(crate) warnings: Vec<Diagnostic>,
}

impl<'w> Evaluator<'w> {
    pub(crate) fn new(world: &'w dyn World) -> Self {
        Evaluator {
            world,
            list: List::default(),
            early: Vec::new(),
            reading: Reading::default(),
            block: None,
            block_lines: 0,
            glob_names: limits::GLOB_NAMES,
            is_replaying: false,
            is_strict: false,
            is_foreign: false,
            permissions: Permissions::default(),
            customs: Customs::default(),
            custom_depth: 0,
            custom_bytes: 0,
            plugins: Plugins::default(),
            printed: Vec::new(),
            effects: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Adds an entry as M0.3 says: refuses what is forbidden, closes or feeds an open block, appends, and runs the effect of
    /// an immediate option.
    pub(crate) fn add(&mut self, entry: Entry) -> Step {
        self.add_as(Role::Option, entry)
    }

    /// The same for `set-ph` and `resolve`: whatever the name, it is only a value (P2).
    pub(crate) fn add_placeholder(&mut self, entry: Entry) -> Step {
        self.add_as(Role::Placeholder, entry)
    }

    fn add_as(&mut self, role: Role, entry: Entry) -> Step {
        if let Some(list) = self.permissions.forbidding(&entry.key) {
            return self.refuse(
                &entry.origin,
                format!("option {} is forbidden by the {list}", quote(&entry.key)),
            );
        }
        if !self.is_replaying {
            if blocks::is_end(&entry.key) {
                self.block = None;
            }
            if let Some(block) = self.block.clone() {
                return self.replay(&block, role, &entry);
            }
        }
        if role == Role::Placeholder {
            return self.append(entry, true);
        }
        let known = self.known(&entry.key);
        if known.is_none() && self.is_strict {
            self.unknown_in_strict_mode(&entry)?;
        }
        match known.filter(Known::is_immediate) {
            Some(known) => {
                self.append(entry.clone(), true)?;
                self.run(&known, &entry)
            }
            None => self.append(entry, false),
        }
    }

    /// Adds one line of a block's body, once for each round of the block (C2).
    fn replay(&mut self, block: &Block, role: Role, entry: &Entry) -> Step {
        self.block_lines += 1;
        if self.block_lines > limits::BLOCK_LINES {
            return self.refuse(
                &entry.origin,
                format!("more than {} lines stand in blocks", limits::BLOCK_LINES),
            );
        }
        let mut is_taken = false;
        for context in block.rounds(self)? {
            is_taken = true;
            let line = self.in_context(entry, context.as_deref())?;
            self.is_replaying = true;
            let added = self.add_as(role, line);
            self.is_replaying = false;
            added?;
        }
        if !is_taken && blocks::is_opener(&entry.key) {
            let opener = quote(&entry.key);
            let what = format!("{opener} stands in a block that is not taken, and opens nothing, ignoring");
            let hint = "blocks do not nest; the next end word ends the outer one";
            self.warn(Diagnostic::warning(Some(entry.origin.clone()), what).with_hint(hint));
        }
        Ok(())
    }

    /// The line as it is in one round: every `%(_)` in the value becomes the context, where there is one (C3).
    fn in_context(&self, entry: &Entry, context: Option<&[u8]>) -> Step<Entry> {
        let (Some(value), Some(context)) = (entry.value.as_deref(), context) else {
            return Ok(entry.clone());
        };
        match replaced(value, b"%(_)", context) {
            Ok(value) => Ok(Entry {
                key: entry.key.clone(),
                value: Some(value),
                origin: entry.origin.clone(),
            }),
            Err(TooLong) => self.refuse(&entry.origin, "the value becomes too long with %(_) replaced"),
        }
    }

    /// Puts an entry at the end of the list.
    pub(crate) fn append(&mut self, entry: Entry, done: bool) -> Step {
        if self.list.len() >= limits::ENTRIES || self.list.bytes() >= limits::LIST_BYTES {
            let what = format!(
                "the configuration has more than {} entries or {} bytes",
                limits::ENTRIES,
                limits::LIST_BYTES
            );
            return self.refuse(&entry.origin, what);
        }
        self.list.push(entry, done);
        Ok(())
    }

    /// What a name means now.
    pub(crate) fn known(&self, key: &[u8]) -> Option<Known> {
        if let Some(row) = lookup::find(key) {
            return Some(Known::Core(row));
        }
        if let Some(row) = self.plugins.option(key) {
            return Some(Known::Plugin(row));
        }
        self.customs
            .find(key)
            .map(|custom| Known::Custom(Rc::clone(custom)))
    }

    /// Refuses an unknown name (U2), unless a plugin may know it of which nothing is known here.
    pub(crate) fn unknown_in_strict_mode(&mut self, entry: &Entry) -> Step {
        let what = format!("there is no option {}", quote(&entry.key));
        if self.plugins.may_know_more() {
            let warning = Diagnostic::warning(
                Some(entry.origin.clone()),
                format!("{what} in the tables, ignoring"),
            );
            self.warn(warning.with_hint("strict is on; a plugin may know it"));
            return Ok(());
        }
        let hint = match plugin_of(&entry.key) {
            Some(plugin) => format!(
                "strict is on; the plugin '{0}' has it: add 'plugin = {0}' before this line",
                debian_name(plugin)
            ),
            None => "strict is on".to_owned(),
        };
        Err(Diagnostic::error(Some(entry.origin.clone()), what)
            .with_hint(hint)
            .into())
    }

    /// The value of a variable of the environment (E5).
    pub(crate) fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        if let Some((_, value)) = self.early.iter().rfind(|(known, _)| known == name) {
            return value.as_deref();
        }
        // Of two variables of a name getenv(3) finds the first.
        let mut variables = self.world.environment().iter();
        let found = variables.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// Keeps a warning, once.
    pub(crate) fn warn(&mut self, warning: Diagnostic) {
        let is_known =
            |other: &Diagnostic| other.origin == warning.origin && other.message == warning.message;
        if self.warnings.len() < WARNINGS && !self.warnings.iter().any(is_known) {
            self.warnings.push(warning);
        }
    }

    /// Ends the evaluation with an error, which tells how its file came to be read.
    pub(crate) fn refuse<T>(&self, origin: &Origin, message: impl Into<String>) -> Step<T> {
        let error = Diagnostic::error(Some(origin.clone()), message);
        Err(Stop::from(match self.reading.chain() {
            Some(chain) => error.with_hint(format!("read because of {chain}")),
            None => error,
        }))
    }
}

#[cfg(test)]
mod tests;
