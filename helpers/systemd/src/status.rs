//! The sentences of a unit's status line (`STATUS=`). They are an interface, documented in vassal-health(7) and
//! vassal-enter(8). Causes are sentences of this kind, too: they are stored in the restart record, and later status
//! lines repeat them.

use std::fmt::Display;

/// A sentence with placeholders in braces: `stopping; waiting for {command}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Template(pub &'static str);

/// The app has been started.
pub const STARTING: Template = Template("starting; waiting for {command} to accept requests");
/// The app serves. `mounts` is a [`HEALTHY`] or [`NOT_PROBED`] for each mountpoint; `health` one of the three `APP_`
/// sentences below where the app is asked for its health; `differs` a [`DIFFERS`] or empty; `restarts` one of the three
/// sentences about restarts below.
pub const SERVING: Template = Template("serving; {mounts}{health}{differs}{restarts}");
/// The file has been changed since then, in a way that a reload cannot put into effect.
pub const DIFFERS: Template = Template("not as its file says since {since} ({why})");
/// A mountpoint has answered.
pub const HEALTHY: Template = Template("{path} healthy ({type}, probed {age} s ago, {time} us)");
/// A mountpoint has not answered yet.
pub const NOT_PROBED: Template = Template("{path} not yet probed ({type})");
/// The app's last answer about its health was good.
pub const APP_HEALTHY: Template = Template("{command} healthy (asked {age} s ago, {time} us)");
/// The app has failed `count` questions in a row; at `limit` it is restarted.
pub const APP_FAILING: Template = Template("{command} failing ({sign}, {count} of {limit})");
/// The app has not been asked yet.
pub const APP_NOT_ASKED: Template = Template("{command} not yet asked");
/// Nothing has ended the vassal since it was started.
pub const NO_RESTARTS: Template = Template("no restarts");
/// One restart, and its cause.
pub const ONE_RESTART: Template = Template("1 restart: {cause}");
/// Several restarts, and the cause of the last one.
pub const RESTARTS: Template = Template("{count} restarts, last: {cause}");
/// uWSGI reloads in place.
pub const RELOADING: Template = Template("reloading; waiting for uwsgi to accept requests again");
/// The app has been asked to stop.
pub const STOPPING: Template = Template("stopping; waiting for {command}");
/// A vassal that served has been stopped, and everything is saved.
pub const STOPPED: Template = Template("stopped");
/// A vassal that did not serve yet has been stopped.
pub const CUT_SHORT: Template = Template("stopped before it served");
/// A mountpoint has a verdict ([`crate::verdicts`]).
pub const LOST: Template = Template("{path} {verdict}");
/// An app has a verdict ([`crate::verdicts::OF_APP`]).
pub const APP_LOST: Template = Template("{command} {verdict}");
/// The app itself has asked to be stopped.
pub const ASKED_TO_STOP: Template = Template("{command} has asked to be stopped");
/// A vassal on demand has not been used for a while.
pub const IDLE: Template = Template("idle; stopping until the next connection");
/// uWSGI could not load the app.
pub const NO_APP: Template = Template("{command} exited with {code}: the app did not load ({reason})");
/// The app has ended before the vassal was ready.
pub const ENDED_EARLY: Template = Template("{command} {end} before it served ({reason})");
/// The app of a vassal that serves has ended.
pub const ENDED: Template = Template("{command} {end}");
/// A process has exited.
pub const EXITED: Template = Template("exited with {code}");
/// A signal has ended a process.
pub const KILLED: Template = Template("was killed by {signal}");
/// A start waits inside the unit.
pub const WAITING: Template = Template("waiting {seconds} s before attempt {number}; last: {cause}");
/// An attempt has begun.
pub const ATTEMPT: Template = Template("attempt {number}; last: {cause}");

/// A start waits for a place among the starts (`concurrent-starts`).
pub const WAITING_TO_START: Template =
    Template("waiting to start; {limit} at the same time is the most (concurrent-starts in emperor.ini)");

/// All sentences that are a whole status line.
pub const ALL: [Template; 14] = [
    STARTING,
    SERVING,
    RELOADING,
    STOPPING,
    STOPPED,
    CUT_SHORT,
    ASKED_TO_STOP,
    IDLE,
    NO_APP,
    ENDED_EARLY,
    ENDED,
    WAITING,
    ATTEMPT,
    WAITING_TO_START,
];

impl Template {
    /// The sentence with `values` in place of its placeholders.
    pub fn with(self, values: &[(&str, &dyn Display)]) -> String {
        let mut text = String::new();
        let mut rest = self.0;
        while let Some((before, (name, after))) = rest
            .split_once('{')
            .and_then(|(before, place)| Some((before, place.split_once('}')?)))
        {
            text.push_str(before);
            let value = values.iter().find(|(own, _)| *own == name);
            debug_assert!(value.is_some(), "{self:?} has no value for {name}");
            text.extend(value.map(|(_, value)| value.to_string()));
            rest = after;
        }
        text + rest
    }

    /// Whether `line` is this sentence with any values.
    pub fn is_of(self, line: &str) -> bool {
        let mut words = self
            .0
            .split('{')
            .map(|piece| piece.split_once('}').map_or(piece, |(_, word)| word));
        let first = words.next().unwrap_or_default();
        let Some(mut rest) = line.strip_prefix(first) else {
            return false;
        };
        let mut is_open = false;
        for word in words {
            let Some(place) = rest.find(word) else {
                return false;
            };
            rest = &rest[place + word.len()..];
            is_open = word.is_empty();
        }
        rest.is_empty() || is_open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stand_at_their_places() {
        let values: &[(&str, &dyn Display)] = &[("command", &"uwsgi"), ("end", &"exited with {end}")];
        assert_eq!(ENDED.with(values), "uwsgi exited with {end}");
        assert_eq!(STOPPED.with(&[]), "stopped");
        let line = HEALTHY.with(&[
            ("path", &"/app"),
            ("type", &"fuse"),
            ("age", &0.4),
            ("time", &210),
        ]);
        assert_eq!(line, "/app healthy (fuse, probed 0.4 s ago, 210 us)");
    }

    #[test]
    fn a_line_is_known_by_its_sentence() {
        assert!(STARTING.is_of("starting; waiting for uwsgi to accept requests"));
        assert!(!STARTING.is_of("starting; waiting for uwsgi to accept requests again"));
        assert!(STOPPED.is_of("stopped") && !STOPPED.is_of("stopped before it served"));
        assert!(RESTARTS.is_of("3 restarts, last: x") && !RESTARTS.is_of("no restarts"));
        assert!(ENDED_EARLY.is_of("uwsgi exited with 1 before it served (see above)"));
    }
}
