//! The exit codes of the helpers. They are an interface, documented in vassal-enter(8).

/// The vassal has ended in order.
pub const GOOD: u8 = 0;
/// A run or a hook has failed, perhaps for a passing reason: systemd tries again.
pub const FAILED: u8 = 1;
/// The command line is wrong (sysexits.h `EX_USAGE`).
pub const USAGE: u8 = 64;
/// The app cannot be reloaded, or the reloaded app does not serve (`EX_UNAVAILABLE`). Used by reloads only.
pub const UNAVAILABLE: u8 = 69;
/// The kernel refused a step although the configuration is right (`EX_OSERR`). systemd tries again.
pub const OS: u8 = 71;
/// So many attempts have failed that the unit is to fail (`EX_TEMPFAIL`): `RestartPreventExitStatus=` stops systemd,
/// and vassal-retry@.service tries again later.
pub const LATER: u8 = 75;
/// The configuration is wrong (`EX_CONFIG`): `RestartPreventExitStatus=` keeps systemd from trying again.
pub const CONFIG: u8 = 78;
/// The namespaces could not be set up. systemd uses this number, too, and prints it as `NAMESPACE`.
pub const NAMESPACE: u8 = 226;

/// All codes of a failed start.
pub const ALL: [u8; 6] = [FAILED, USAGE, OS, LATER, CONFIG, NAMESPACE];
