//! The state of one evaluation, and how an entry is added to it (M0.3).

use std::rc::Rc;

use crate::diagnostic::{Diagnostic, Origin, quote};
use crate::language::evaluation::blocks::Block;
use crate::language::evaluation::custom::{Custom, Customs};
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::list::List;
use crate::language::evaluation::reading::Reading;
use crate::language::text::permissions::Permissions;
use crate::limits;
use crate::machine::world::World;
use crate::options::lookup;
use crate::options::plugin_table::PluginOption;
use crate::options::plugins::{Plugins, debian_name, plugin_of};
use crate::options::row::OptionRow;

/// What a step of the evaluation gives: something, or the end of it all.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

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
    Core(&'static OptionRow),
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

/// One evaluation.
pub(crate) struct Evaluator<'w> {
    pub(crate) world: &'w dyn World,
    pub(crate) list: List,
    /// What `early-envdir` has made of variables of the environment; the last one counts, `None` is none at all (E5).
    pub(crate) early: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    pub(crate) reading: Reading,
    pub(crate) block: Option<Rc<Block>>,
    /// Lines of blocks seen so far.
    pub(crate) block_lines: usize,
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

    /// Puts an entry at the end of the list.
    pub(crate) fn append(&mut self, entry: Entry, done: bool) -> Outcome {
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
    pub(crate) fn unknown_in_strict_mode(&mut self, entry: &Entry) -> Outcome {
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
    pub(crate) fn refuse<T>(&self, origin: &Origin, message: impl Into<String>) -> Outcome<T> {
        let error = Diagnostic::error(Some(origin.clone()), message);
        Err(Stop::from(match self.reading.chain() {
            Some(chain) => error.with_hint(format!("read because of {chain}")),
            None => error,
        }))
    }
}

#[cfg(test)]
mod tests;
