//! What the machine's systemd knows, and waiting for it to know something else.

use std::fmt;
use std::time::{Duration, Instant};

use crate::container::machine::Machine;
use crate::inside::run::Output;

/// Between two looks: shorter than what the tests measure, longer than what a look costs.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

impl Machine {
    /// All that the journal has of a unit, oldest first.
    ///
    /// # Panics
    ///
    /// When the journal cannot be read.
    pub fn journal(&self, unit: &str) -> String {
        self.must_sh("journalctl --sync");
        self.must(&[
            "journalctl",
            "--quiet",
            "--output=short-monotonic",
            "--unit",
            unit,
        ])
    }

    /// What `systemctl status` shows of a unit, with its lines in the journal. journald reads the streams of services and the messages
    /// of systemd from different sockets, in no order between them: it writes down everything that was sent before anybody asks.
    ///
    /// # Panics
    ///
    /// When journald does not answer.
    pub fn status(&self, unit: &str) -> Output {
        self.must_sh("journalctl --sync");
        self.run(&["systemctl", "status", "--no-pager", "--full", "--", unit])
    }

    /// A property of a unit, as `systemctl show` prints its value; empty when there is none of that name.
    ///
    /// # Panics
    ///
    /// When systemd does not answer.
    pub fn unit(&self, unit: &str, property: &str) -> String {
        self.must(&["systemctl", "show", "--value", "--property", property, "--", unit])
    }

    /// Looks again and again until the closure gives a value.
    ///
    /// # Panics
    ///
    /// When it has given none by the deadline, with the last thing it saw, the units that are not well and the journal's end.
    pub fn wait_for<T, S: fmt::Display>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<T, S>,
    ) -> T {
        let begun = Instant::now();
        loop {
            match look() {
                Ok(value) => return value,
                Err(seen) if begun.elapsed() > limit => {
                    panic!(
                        "{} ({}): no {what} within {limit:?}; last seen: {seen}\n{}",
                        self.name(),
                        self.suite(),
                        self.state()
                    )
                }
                Err(_) => std::thread::sleep(LOOK_INTERVAL),
            }
        }
    }

    /// Waits until a property of a unit has a value.
    ///
    /// # Panics
    ///
    /// When it has another by the deadline.
    pub fn wait_for_unit(&self, unit: &str, property: &str, value: &str, limit: Duration) {
        self.wait_for(&format!("{property}={value} of {unit}"), limit, || {
            let seen = self.unit(unit, property);
            if seen == value { Ok(()) } else { Err(seen) }
        });
    }

    /// Waits until the journal of a unit contains a text; gives the first line that does.
    ///
    /// # Panics
    ///
    /// When it does not by the deadline.
    pub fn wait_for_journal(&self, unit: &str, text: &str, limit: Duration) -> String {
        self.wait_for(&format!("'{text}' in the journal of {unit}"), limit, || {
            let journal = self.journal(unit);
            let line = journal
                .lines()
                .find(|line| line.contains(text))
                .map(str::to_owned);
            line.ok_or(journal)
        })
    }

    /// What to show when a test fails: units that are failed or starting, and the journal's end.
    pub fn state(&self) -> String {
        let script = "systemctl list-units --all --state=failed,activating,deactivating,reloading --no-legend; \
                      systemctl status --no-pager --lines=0 'vassal*'; journalctl --no-pager --lines=60";
        self.sh(script).to_string()
    }
}
