//! A hook as written: its option, value and line.

use crate::diagnostic::{Diagnostic, Origin};
use crate::hooks::action::Action;
use crate::hooks::parse;
use crate::hooks::parse::Refusal;
use crate::hooks::phase::{HookKind, Phase};
use crate::language::evaluation::entry::Entry;

/// A hook as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The kind of the option.
    pub kind: HookKind,
    /// The phase in which it runs.
    pub phase: Phase,
    /// The option's name.
    pub option: Vec<u8>,
    /// The option's value.
    pub value: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

impl Hook {
    /// The hook of `entry`.
    pub fn new(kind: HookKind, phase: Phase, entry: &Entry) -> Self {
        Self {
            kind,
            phase,
            option: entry.key.clone(),
            value: entry.value.clone().unwrap_or_default(),
            origin: entry.origin.clone(),
        }
    }

    /// Parses the action.
    ///
    /// # Errors
    /// A wrong action, with the line.
    pub fn action(&self) -> Result<Action, Diagnostic> {
        let action = match self.kind {
            HookKind::Hook => parse::parse_hook(&self.value),
            HookKind::Mount => parse::parse_mount(&self.value),
            HookKind::Umount => parse::parse_umount(&self.value),
            HookKind::Exec => Ok(parse::exec(&self.value)),
            HookKind::Call => parse::parse_symbol(&self.value),
        };
        action.map_err(|Refusal { message, hint }| {
            let diagnostic = Diagnostic::error(Some(self.origin.clone()), message);
            match hint {
                Some(hint) => diagnostic.with_hint(hint),
                None => diagnostic,
            }
        })
    }
}
