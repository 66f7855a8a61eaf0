//! The second half of an evaluation: references are replaced, then options take effect (M0.2).

use crate::bytes::replace::TooLong;
use crate::diagnostic::{Diagnostic, Origin, quote};
use crate::language::evaluation::evaluator::{Evaluator, Outcome, Stop};
use crate::language::expansion::expand;
use crate::language::expansion::expand::{Budget, Failure, Sign};
use crate::language::expansion::math;
use crate::language::text::uri;
use crate::limits;

impl Evaluator<'_> {
    /// Replaces references in three passes over the list, one after the other (E3). Entries whose effect was run are
    /// skipped (E2).
    pub(crate) fn expand(&mut self) -> Outcome {
        let mut budget = Budget::new();
        for sign in Sign::PASSES {
            for index in 0..self.list.len() {
                self.expand_one(index, sign, &mut budget)?;
            }
        }
        self.warn_of_open_references();
        Ok(())
    }

    fn expand_one(&mut self, index: usize, sign: Sign, budget: &mut Budget) -> Outcome {
        let Some(item) = self.list.get(index).filter(|item| !item.done) else {
            return Ok(());
        };
        let Some(value) = item.entry.value.as_ref() else {
            return Ok(());
        };
        if expand::remaining(value, sign).is_none() {
            return Ok(());
        }
        let origin = item.entry.origin.clone();
        let mut value = value.clone();
        let lookup = |name: &[u8], now: &[u8]| match sign {
            Sign::Environment => Ok(self.variable(name).map(<[u8]>::to_vec)),
            Sign::Source => self.read_source(name, &origin).map(as_reference_text).map(Some),
            Sign::Entry => self.referenced(name, (index, now), &origin),
        };
        match expand::expand(&mut value, sign, budget, lookup) {
            Ok(()) => self.list.set_value(index, value),
            Err(Failure::Lookup(stop)) => return Err(stop),
            Err(Failure::Endless { reference }) => {
                let what = format!("{} leads back to itself, or to too much text", quote(&reference));
                return Err(Stop::from(Diagnostic::error(Some(origin), what)));
            }
        }
        Ok(())
    }

    /// The value of `%(NAME)` (E7, E9). `own` is the position of the entry that contains the reference, and its value
    /// so far: a reference of an entry to itself gets that, because uWSGI writes each replacement back at once.
    fn referenced(&self, name: &[u8], own: (usize, &[u8]), origin: &Origin) -> Outcome<Option<Vec<u8>>> {
        let (index, now) = own;
        let value_of = |name: &[u8]| match self.list.position(name) {
            Some(at) if at == index => Some(now),
            _ => self.list.value(name),
        };
        if !name.contains(&b' ') {
            return Ok(value_of(name).map(<[u8]>::to_vec));
        }
        match math::evaluate(name, value_of) {
            Ok(result) => Ok(result),
            Err(TooLong) => self.refuse(origin, format!("{} becomes too long", quote(name))),
        }
    }

    /// Warns about references that remain in a value because they have no value themselves; this is rarely meant.
    fn warn_of_open_references(&mut self) {
        let mut warnings = Vec::new();
        for item in self
            .list
            .iter()
            .filter(|item| !item.done && !is_format(&item.entry.key))
        {
            let Some(value) = item.entry.value.as_deref() else {
                continue;
            };
            let entry = expand::remaining(value, Sign::Entry);
            let variable =
                expand::remaining(value, Sign::Environment).filter(|reference| is_variable(reference));
            if let Some(reference) = entry.or(variable) {
                let what = format!(
                    "nothing is known as {}, which stays in the value",
                    quote(reference)
                );
                warnings.push(Diagnostic::warning(Some(item.entry.origin.clone()), what));
            }
        }
        warnings.into_iter().for_each(|warning| self.warn(warning));
    }

    /// Walks over the list and runs the effects of entries where that was not done. When an effect has appended an
    /// entry, the walk starts again, and tries unknown names again (O3) if options or plugins have been added since.
    pub(crate) fn apply(&mut self) -> Outcome {
        let mut learned = self.knowledge();
        let mut walks = 0;
        let mut index = 0;
        while let Some(item) = self.list.get(index) {
            index += 1;
            if item.done {
                continue;
            }
            let entry = item.entry.clone();
            let Some(known) = self.known(&entry.key) else {
                if self.is_strict {
                    self.unknown_in_strict_mode(&entry)?;
                }
                continue;
            };
            let length = self.list.len();
            self.list.mark_done(index - 1);
            self.run(&known, &entry)?;
            if self.list.len() > length && self.knowledge() != learned {
                learned = self.knowledge();
                index = 0;
                walks += 1;
            }
            if walks > limits::WALKS {
                return self.refuse(
                    &entry.origin,
                    format!("options are declared late more than {} times", limits::WALKS),
                );
            }
        }
        Ok(())
    }

    /// What determines whether a name is known: the numbers of declared options and of plugins, which only grow, and
    /// strict mode.
    fn knowledge(&self) -> (usize, usize, bool) {
        (self.customs.count(), self.plugins.count(), self.is_strict)
    }
}

/// The text that replaces `@()`: without one final line end (E6), and up to its first NUL, where every value ends.
fn as_reference_text(text: Vec<u8>) -> Vec<u8> {
    let mut text = uri::without_final_line_end(text);
    if let Some(end) = text.iter().position(|&byte| byte == 0) {
        text.truncate(end);
    }
    text
}

/// Whether the values of an option contain references that uWSGI itself replaces for each request.
fn is_format(key: &[u8]) -> bool {
    key.starts_with(b"log-format")
        || key.starts_with(b"logformat")
        || key.starts_with(b"log-encoder")
        || key.starts_with(b"req-logger")
}

/// Whether `$(...)` looks like a variable, and not like a command for a shell.
fn is_variable(reference: &[u8]) -> bool {
    let name = reference
        .strip_prefix(b"$(")
        .and_then(|rest| rest.strip_suffix(b")"))
        .unwrap_or_default();
    name.iter()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_')
}

#[cfg(test)]
mod tests {
    use crate::language::testing::{evaluated, listed};
    use crate::machine::fake::FakeWorld;

    fn world() -> FakeWorld {
        FakeWorld::with(&[
            ("f", "text %(b)\n"),
            ("two", "x\r\n\n"),
            ("nul", "x\0y\n"),
            ("c.ini", "[uwsgi]\nz = %(a)\nprint = 4 %(a)\n"),
        ])
        .set("V", "<%(b)>")
        .set("W", "@(f)")
    }

    #[test]
    fn references_are_replaced_in_three_passes() {
        const CASES: &[(&str, &str, &str)] = &[
            (
                "E3 each may bring what the next replaces",
                "b=1\na=$(V) $(W)",
                "b=1 a=<1> text 1",
            ),
            (
                "E3 and not the other way round",
                "set-ph=p=$(V)\na=x%(p)",
                "set-ph=p=$(V) p=$(V) a=x$(V)",
            ),
            ("E6 one line end is cut", "a=[@(two)]", "a=[x\r\n]"),
            ("E6 a NUL ends the text", "a=[@(nul)]", "a=[x]"),
            (
                "E2 what is done stays raw",
                "n=5\nlisten=%(n)\nset-ph=y=%(n)\nz=%(y)",
                "n=5 listen=%(n) set-ph=y=%(n) y=%(n) z=%(n)",
            ),
            ("E7 the first value counts", "a=1\na=2\nb=%(a)", "a=1 a=2 b=1"),
            (
                "E7 later entries are still raw",
                "a=%(b)\nb=%(c)\nc=1",
                "a=%(c) b=1 c=1",
            ),
            (
                "E9 a blank makes it an expression",
                "a=%(b + 2)\nb=3\nc=%(nope nope)",
                "a=5 b=3 c=",
            ),
            ("E1 keys are not expanded", "a=1\n%%(a)=2", "a=1 %(a)=2"),
        ];
        for (rule, text, wanted) in CASES {
            assert_eq!(listed(&world(), text), *wanted, "{rule}");
        }
    }

    #[test]
    fn a_missing_source_is_refused_with_its_place() {
        assert_eq!(
            listed(&world(), "a=1\nb=@(nope)"),
            "main.ini:3: cannot read 'nope': No such file or directory"
        );
    }

    #[test]
    fn a_reference_that_leads_back_is_refused() {
        for text in ["a=x%(a)", "a=x%(b)\nb=y%(a)", "a=.%(b)\nb=%(b)"] {
            let error = listed(&world(), text);
            assert!(error.starts_with("main.ini:2: '%("), "{error}");
            assert!(error.contains("leads back to itself"), "{error}");
        }
    }

    #[test]
    fn effects_run_in_the_order_of_the_list_and_inherited_ones_last() {
        let text = "[uwsgi]\nprint=1 %(a)\niprint=2 %(a)\na=A\ninherit=c.ini\nprint=3";
        let mut world = world();
        world.files.insert(b"main.ini".to_vec(), text.into());
        let found = evaluated(&world, "--ini main.ini").expect("is accepted");
        let printed: Vec<_> = found
            .printed
            .iter()
            .map(|line| String::from_utf8_lossy(line))
            .collect();
        assert_eq!(printed, ["2 %(a)", "1 A", "3", "4 %(a)"]);
    }

    #[test]
    fn the_walk_restarts_when_something_was_appended() {
        // O3, K3: `foo` is declared only while the options are applied.
        let declared = "foo=x\ndeclare-option2=foo=set=y=$1";
        assert_eq!(listed(&world(), declared), "foo=x declare-option2=foo=set=y=$1");
        let list = listed(&world(), &format!("{declared}\ninherit=c.ini"));
        assert!(list.ends_with("inherit=c.ini z=%(a) print=4 %(a) y=x"), "{list}");
    }

    #[test]
    fn references_nobody_answers_are_warned_of() {
        let mut world = world();
        world.files.insert(
            b"main.ini".to_vec(),
            "[uwsgi]\na=%(nope)\nb=$(NOPE)\nc=sh -c 'echo $(date)'\nini=%(x)".into(),
        );
        world.files.insert(b"%(x)".to_vec(), "[uwsgi]\nd=1".into());
        let found = evaluated(&world, "--ini main.ini").expect("is accepted");
        let warnings: Vec<String> = found.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(
            warnings,
            [
                "main.ini:5: '%(x)' stays as written, because 'ini' takes effect before references are replaced",
                "main.ini:2: nothing is known as '%(nope)', which stays in the value",
                "main.ini:3: nothing is known as '$(NOPE)', which stays in the value",
            ]
        );
    }
}
