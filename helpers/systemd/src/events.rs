//! The journal events that have a MESSAGE_ID. They are an interface: vassal-health(7) documents them,
//! units/vassal.catalog explains them.

/// A MESSAGE_ID with a description of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageId {
    /// 32 hexadecimal digits, from `systemd-id128 new`.
    pub id: &'static str,
    /// What has happened, in the words of vassal-health(7).
    pub what: &'static str,
}

/// A vassal serves.
pub const SERVING: MessageId = MessageId {
    id: "432e5f4d6e814274ae80f8c9e6ea7cdf",
    what: "serves",
};
/// A vassal's app has ended by itself.
pub const APP_ENDED: MessageId = MessageId {
    id: "e9cbe4dd51554c349c33af94ff46dad2",
    what: "the app has ended by itself",
};
/// A mountpoint's filesystem answers with an error.
pub const DEAD: MessageId = MessageId {
    id: "363e9edddcee41299bd840537e5604ee",
    what: "mountpoint dead",
};
/// A mountpoint's filesystem does not answer.
pub const HUNG: MessageId = MessageId {
    id: "7f072125abb84fd0bcddf950da97cc6f",
    what: "mountpoint hung",
};
/// Nothing is mounted there any more.
pub const GONE: MessageId = MessageId {
    id: "f393e907e9d843ba860abed9cd69c3c3",
    what: "mountpoint gone",
};
/// Something else is mounted there.
pub const REPLACED: MessageId = MessageId {
    id: "130b0ed25e5649878cdc00644f558fac",
    what: "mountpoint replaced",
};
/// It is mounted somewhere else.
pub const MOVED: MessageId = MessageId {
    id: "a1677a8478394469908113f3706ebad6",
    what: "mountpoint moved",
};
/// Its probes were kept from asking.
pub const DISTURBED: MessageId = MessageId {
    id: "29192cabec1d44efa125c6989971b4db",
    what: "mountpoint disturbed: nothing is known of its health",
};
/// An app fails the questions about its health.
pub const SICK: MessageId = MessageId {
    id: "51184bce9158498a824ea1cc7e95ee07",
    what: "the app is sick: it serves, and fails its health check",
};
/// An app does not send `WATCHDOG=1` any more.
pub const SILENT: MessageId = MessageId {
    id: "5b0ede31a81b4503a0c75324ab8d29dd",
    what: "the app is silent: it sends no WATCHDOG=1 any more",
};
/// The run before was killed with filesystems mounted for writing.
pub const UNSAVED: MessageId = MessageId {
    id: "7ff69939102e4db2a8f465e7c8428a9d",
    what: "killed, something is lost (reported by the next start)",
};

/// A vassal's changed file cannot be put into effect (vassal-emperor).
pub const REFUSED: MessageId = MessageId {
    id: "e1ccfb207df1479eaf2247041e673968",
    what: "its file has changed and cannot be used; it runs on as it was (vassal-emperor)",
};

/// All of them.
pub const ALL: [MessageId; 12] = [
    SERVING, APP_ENDED, DEAD, HUNG, GONE, REPLACED, MOVED, DISTURBED, SICK, SILENT, UNSAVED, REFUSED,
];
