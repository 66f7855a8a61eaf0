//! The names and sentences of the verdicts on mountpoints and apps. They are an interface, documented in
//! vassal-health(7).

use crate::events::{self, MessageId};
use crate::status::Template;

/// How a verdict is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The value of `VASSAL_VERDICT=`.
    pub word: &'static str,
    /// The event.
    pub event: MessageId,
    /// Its sentences, which follow the mountpoint's path or the app's name in the status line. Which one is used
    /// depends on what was seen.
    pub sentences: &'static [Template],
}

/// Its filesystem answers with an error.
pub const DEAD: Row = Row {
    word: "dead",
    event: events::DEAD,
    sentences: &[Template("dead ({errno})")],
};
/// Its filesystem does not answer a probe, or a request of one of the vassal's processes.
pub const HUNG: Row = Row {
    word: "hung",
    event: events::HUNG,
    sentences: &[
        Template("hung (no answer within the deadline)"),
        Template("hung (a request unanswered for {seconds} s while statfs is answered)"),
    ],
};
/// Nothing is mounted there any more.
pub const GONE: Row = Row {
    word: "gone",
    event: events::GONE,
    sentences: &[Template("gone (unmounted)")],
};
/// Something else is mounted there.
pub const REPLACED: Row = Row {
    word: "replaced",
    event: events::REPLACED,
    sentences: &[Template("replaced (another filesystem is mounted there)")],
};
/// It is mounted somewhere else.
pub const MOVED: Row = Row {
    word: "moved",
    event: events::MOVED,
    sentences: &[Template("moved (its path no longer leads to it)")],
};
/// Its probes were kept from asking: the last one, or all of several.
pub const DISTURBED: Row = Row {
    word: "disturbed",
    event: events::DISTURBED,
    sentences: &[
        Template("disturbed (no answer within the deadline, as the probe {how})"),
        Template(
            "disturbed (no answer within the deadline: of {count} probes each was disturbed, the last {how})",
        ),
    ],
};

/// An app has failed so many health checks in a row.
pub const SICK: Row = Row {
    word: "sick",
    event: events::SICK,
    sentences: &[Template("sick ({sign}, {count} failures in a row)")],
};
/// An app has not sent its heartbeat in time.
pub const SILENT: Row = Row {
    word: "silent",
    event: events::SILENT,
    sentences: &[
        Template("silent (no WATCHDOG=1 for {seconds} s)"),
        Template("silent (no heartbeat for {seconds} s)"),
    ],
};

/// Those on an app.
pub const OF_APP: [Row; 2] = [SICK, SILENT];
/// Those on a mountpoint.
pub const ALL: [Row; 6] = [DEAD, HUNG, GONE, REPLACED, MOVED, DISTURBED];
