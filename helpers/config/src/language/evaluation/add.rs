//! Adding an entry to the list (M0.3).

use crate::bytes::replace::{TooLong, replaced};
use crate::diagnostic::{Diagnostic, quote};
use crate::language::evaluation::blocks;
use crate::language::evaluation::blocks::Block;
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::evaluator::{Evaluator, Known, Outcome};
use crate::limits;

/// Whether an added entry can be an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Option,
    Placeholder,
}

impl Evaluator<'_> {
    /// Adds an entry by the rules of M0.3: refuses forbidden names, ends or continues an open block, appends the entry,
    /// and runs the effect of an immediate option.
    pub(crate) fn add(&mut self, entry: Entry) -> Outcome {
        self.add_as(Role::Option, entry)
    }

    /// Adds an entry of `set-ph` or `resolve`, which is only a value whatever its name (P2).
    pub(crate) fn add_placeholder(&mut self, entry: Entry) -> Outcome {
        self.add_as(Role::Placeholder, entry)
    }

    fn add_as(&mut self, role: Role, entry: Entry) -> Outcome {
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

    /// Adds one line of a block's body, once in each round of the block (C2).
    fn replay(&mut self, block: &Block, role: Role, entry: &Entry) -> Outcome {
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

    /// The line in one round: every `%(_)` in the value is replaced by the context, if there is one (C3).
    fn in_context(&self, entry: &Entry, context: Option<&[u8]>) -> Outcome<Entry> {
        let (Some(value), Some(context)) = (entry.value.as_deref(), context) else {
            return Ok(entry.clone());
        };
        match replaced(value, b"%(_)", context) {
            Ok(value) => Ok(Entry::new(entry.key.clone(), Some(value), entry.origin.clone())),
            Err(TooLong) => self.refuse(&entry.origin, "the value becomes too long with %(_) replaced"),
        }
    }
}
