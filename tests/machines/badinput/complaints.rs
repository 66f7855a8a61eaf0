//! What a table of cases finds wrong, told together.

use vassal_tests::Suite;

/// The findings of one table.
pub struct Complaints {
    case: String,
    found: Vec<String>,
}

impl Complaints {
    /// None yet.
    pub fn none() -> Complaints {
        Complaints {
            case: String::new(),
            found: Vec::new(),
        }
    }

    /// What follows is about this case.
    pub fn about(&mut self, suite: Suite, case: &str) {
        self.case = format!("{suite}: {case}");
    }

    /// Notes a finding, unless it is as expected.
    pub fn expect(&mut self, holds: bool, seen: impl FnOnce() -> String) {
        if !holds {
            self.found.push(format!("{}: {}", self.case, seen()));
        }
    }

    /// Notes that two things differ, if they do.
    pub fn equal(&mut self, what: &str, seen: &str, expected: &str) {
        self.expect(seen == expected, || {
            format!("{what} is '{seen}', not '{expected}'")
        });
    }

    /// The end of the table.
    ///
    /// # Panics
    ///
    /// When there are findings, with all of them.
    pub fn tell(self) {
        let count = self.found.len();
        assert!(count == 0, "{count} findings\n{}", self.found.join("\n"));
    }
}
