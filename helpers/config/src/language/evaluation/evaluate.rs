//! Evaluates a configuration: from arguments to the final list of entries (M0).

use crate::diagnostic::{Diagnostic, Origin};
use crate::language::evaluation::arguments::{Vocabulary, Word, Words};
use crate::language::evaluation::entry::Entry;
use crate::language::evaluation::evaluator::{Evaluator, Outcome, Stop};
use crate::language::evaluation::reading::Loader;
use crate::machine::world::World;

/// The result of an evaluation.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// All entries in order.
    pub entries: Vec<Entry>,
    /// What took effect, in that order (O3): options when they were applied, those inside custom options included (K2);
    /// then the names that are no options (P3). A start acts on this list and not on `entries`.
    pub effects: Vec<Entry>,
    /// Warnings about lines that probably do not do what is meant.
    pub warnings: Vec<Diagnostic>,
    /// The output of `print` and `iprint`, in the order in which these took effect (O3).
    pub printed: Vec<Vec<u8>>,
    /// The status of `exit = N`, if that was reached; then `entries` contains what was added before.
    pub exit: Option<i32>,
}

/// Evaluates the arguments that uWSGI would get, without the program's name.
///
/// # Errors
/// What makes uWSGI refuse to start (U3), or crash (I7, S7, E8).
pub fn evaluate(args: &[Vec<u8>], world: &dyn World) -> Result<Evaluation, Diagnostic> {
    evaluate_by(Evaluator::new(world), args)
}

/// Evaluates a section that is not uWSGI's. Options that make uWSGI do something else and end have no special meaning
/// there.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_foreign(args: &[Vec<u8>], world: &dyn World) -> Result<Evaluation, Diagnostic> {
    let mut evaluator = Evaluator::new(world);
    evaluator.is_foreign = true;
    evaluate_by(evaluator, args)
}

fn evaluate_by(mut evaluator: Evaluator<'_>, args: &[Vec<u8>]) -> Result<Evaluation, Diagnostic> {
    let exit = match evaluator.live(args) {
        Ok(()) => None,
        Err(Stop::Exit(code)) => Some(code),
        Err(Stop::Refused(diagnostic)) => return Err(*diagnostic),
    };
    let placeholders: Vec<Entry> = evaluator
        .list
        .iter()
        .map(|item| &item.entry)
        .filter(|entry| evaluator.known(&entry.key).is_none())
        .cloned()
        .collect();
    let Evaluator {
        list,
        mut effects,
        warnings,
        printed,
        ..
    } = evaluator;
    effects.extend(placeholders);
    Ok(Evaluation {
        entries: list.into_entries(),
        effects,
        warnings,
        printed,
        exit,
    })
}

impl Evaluator<'_> {
    /// Runs the three phases of M0.2.
    fn live(&mut self, args: &[Vec<u8>]) -> Outcome {
        self.collect_environment()?;
        self.collect_arguments(args)?;
        self.expand()?;
        self.apply()
    }

    /// Variables of the form `UWSGI_NAME=value` are options (A2).
    fn collect_environment(&mut self) -> Outcome {
        for (name, value) in self.world.environment() {
            if let Some(key) = option_of_variable(name) {
                self.add(Entry::new(key, Some(value.clone()), Origin::Environment))?;
            }
        }
        Ok(())
    }

    /// Options from left to right, then files without an option (A1, A3).
    fn collect_arguments(&mut self, args: &[Vec<u8>]) -> Outcome {
        let mut words = Words::new(args);
        let mut files = Vec::new();
        while let Some(word) = self.next_word(&mut words)? {
            match word {
                Word::Option { name, value } => self.add(Entry::new(name, value, Origin::CommandLine))?,
                Word::Operand(file) => files.push(file),
            }
        }
        for file in files.iter().filter(|file| !file.starts_with(b"[")) {
            self.load(file, Loader::ByEnding, &Origin::CommandLine)?;
        }
        Ok(())
    }

    fn next_word(&self, words: &mut Words<'_>) -> Outcome<Option<Word>> {
        let vocabulary = Vocabulary {
            plugins: &self.plugins,
            customs: &self.customs,
        };
        let word = words.next(&vocabulary);
        word.map_err(|message| Diagnostic::error(Some(Origin::CommandLine), message).into())
    }
}

/// The option that an environment variable stands for: in lower case, with `-` for `_` (A2).
fn option_of_variable(name: &[u8]) -> Option<Vec<u8>> {
    const RESERVED: [&[u8]; 8] = [
        b"RELOADS",
        b"VASSALS_DIR",
        b"EMPEROR_FD",
        b"BROODLORD_NUM",
        b"EMPEROR_FD_CONFIG",
        b"EMPEROR_PROXY",
        b"JAIL_PID",
        b"ORIGINAL_PROC_NAME",
    ];
    let name = name
        .strip_prefix(b"UWSGI_")
        .filter(|name| !RESERVED.contains(name))?;
    Some(
        name.iter()
            .map(|byte| {
                if *byte == b'_' {
                    b'-'
                } else {
                    byte.to_ascii_lowercase()
                }
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::testing::{evaluated, listed, shown};
    use crate::machine::fake::FakeWorld;

    #[test]
    fn environment_then_arguments_then_bare_files() {
        let world = FakeWorld::with(&[
            ("a.ini", "[uwsgi]\nn=[%n][%N]\n"),
            ("b.ini", "[uwsgi]\nm=[%n][%N]\n"),
        ])
        .set("UWSGI_FOO_Bar", "x%(n)")
        .set("UWSGI_VASSALS_DIR", "/x")
        .set("HOME", "/root");
        let found = evaluated(&world, "a.ini --ini b.ini -M [no.ini --set q=%n");
        let wanted = "foo-bar=x[a][b] ini=b.ini m=[b][b] master=true set=q=%n q=%n n=[a][b]";
        assert_eq!(found.map(|found| shown(&found)), Ok(wanted.to_owned()));
    }

    #[test]
    fn origins_name_the_line_as_written() {
        let world = FakeWorld::with(&[
            ("a.ini", "[uwsgi]\n; 50%\nlost = 1\n\n  set = x=%n\nini = b.ini\n"),
            ("b.ini", "[uwsgi]\ny"),
        ]);
        let found = evaluated(&world.set("UWSGI_E", "1"), "--ini a.ini").expect("is accepted");
        let places: Vec<String> = found
            .entries
            .iter()
            .map(|entry| entry.origin.to_string())
            .collect();
        assert_eq!(
            places,
            [
                "environment",
                "command line",
                "a.ini:5",
                "a.ini:5",
                "a.ini:6",
                "b.ini:2"
            ]
        );
        let file = |column| Origin::File {
            name: b"a.ini"[..].into(),
            line: 5,
            column,
        };
        assert_eq!(found.entries[2].origin, file(3));
    }

    #[test]
    fn a_bare_flag_has_no_value() {
        let found = evaluated(&FakeWorld::with(&[]), "--master --set x=%(master)").expect("is accepted");
        assert_eq!(shown(&found), "master=true set=x=%(master) x=%(master)");
        assert_eq!(found.entries[0].value, None);
    }

    #[test]
    fn exit_ends_at_once() {
        let world = FakeWorld::with(&[(
            "a.ini",
            "[uwsgi]\nprint=never\niprint=now\nexit=300\ninclude=missing\n",
        )]);
        let found = evaluated(&world, "--ini a.ini").expect("is accepted");
        assert_eq!(found.exit, Some(44));
        assert_eq!(found.printed, [b"now".to_vec()]);
        assert_eq!(shown(&found), "ini=a.ini print=never iprint=now exit=300");
        assert_eq!(evaluated(&world, "--exit").map(|found| found.exit), Ok(Some(1)));
        assert_eq!(evaluated(&world, "--exit=").map(|found| found.exit), Ok(Some(0)));
    }

    #[test]
    fn wrong_arguments_are_told_from_the_command_line() {
        let error = evaluated(&FakeWorld::with(&[]), "--nope").expect_err("is refused");
        assert_eq!(error.to_string(), "command line: there is no option '--nope'");
    }

    /// Pieces of configurations, put together without a plan.
    const PIECES: &[&str] = &[
        "\n",
        "\n",
        "=",
        "%",
        "%(",
        ")",
        "$(A",
        "@(f)",
        "[",
        "]",
        ";",
        "a",
        "b",
        " ",
        "\0",
        "\r",
        "ä",
        "\n[uwsgi]\n",
        "set=",
        "\nfor=1 2\n",
        "\nend\n",
        "\nif-opt=a\n",
        "\nini=f\n",
        "\nini=:x\n",
        "\ninherit=f.ini\n",
        "\ndeclare-option=a=",
        "set=$1;",
        "\nstrict\n",
        "++ ",
    ];

    #[test]
    fn no_text_makes_it_panic() {
        let mut state = 1_u64;
        let mut below = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % limit
        };
        let mut accepted = 0;
        for _ in 0..600 {
            let text: String = (0..below(40)).map(|_| PIECES[below(PIECES.len())]).collect();
            let world = FakeWorld::with(&[("f", &text), ("f.ini", &text)]).set("A", "%(b)");
            let list = listed(&world, &text);
            accepted += usize::from(!list.starts_with("main.ini:") && !list.starts_with("f:"));
        }
        assert!(
            accepted > 150,
            "only {accepted} of 600 were accepted, which tries too little"
        );
    }
}
