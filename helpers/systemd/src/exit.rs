//! The exit codes of the helpers: an interface, documented in vassal-enter(8).

/// The vassal has ended as it was to.
pub const GOOD: u8 = 0;
/// The vassal ran and failed, or a hook did: a fault that may pass, so systemd tries again.
pub const FAILED: u8 = 1;
/// The command line is wrong (sysexits.h `EX_USAGE`).
pub const USAGE: u8 = 64;
/// The app cannot be reloaded: it has no way, or does not serve (`EX_UNAVAILABLE`); of a reload only.
pub const UNAVAILABLE: u8 = 69;
/// The kernel refused a step that a correct configuration needs (`EX_OSERR`); tried again.
pub const OS: u8 = 71;
/// Tried too often in vain for the unit to go on starting (`EX_TEMPFAIL`): `RestartPreventExitStatus=` makes it fail, and
/// vassal-retry@.service tries again later.
pub const LATER: u8 = 75;
/// The configuration is wrong (`EX_CONFIG`): `RestartPreventExitStatus=` keeps systemd from trying again.
pub const CONFIG: u8 = 78;
/// The namespaces could not be set up; the number systemd itself uses and prints as `NAMESPACE`.
pub const NAMESPACE: u8 = 226;

/// All of them.
pub const ALL: [u8; 6] = [FAILED, USAGE, OS, LATER, CONFIG, NAMESPACE];
