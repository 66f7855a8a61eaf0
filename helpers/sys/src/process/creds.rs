//! Changes a process from root to the vassal's user, irrevocably.

use crate::error::{Context, SysError};
use crate::process::caps;
use nix::errno::Errno;
use nix::unistd::{Gid, Uid, getgroups, getresgid, getresuid, setgroups, setresgid, setresuid};

/// The meaning of EPERM for a requested capability.
const NOT_IN_THE_UNIT: &str =
    "one of 'cap' is not in the unit's bounding set; add it to CapabilityBoundingSet= in [Service]";

/// The user and groups that a process gets. `None` leaves a part unchanged, as uWSGI does for an option that is not
/// given (ORD-9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Credentials {
    /// Real, effective and saved user id.
    pub uid: Option<Uid>,
    /// Real, effective and saved group id.
    pub gid: Option<Gid>,
    /// All supplementary groups.
    pub groups: Option<Vec<Gid>>,
    /// The capabilities that remain, one bit each. `None`: none; for root all (`cap`).
    pub capabilities: Option<u64>,
}

impl Credentials {
    /// Whether the process stays root.
    pub fn stays_root(&self) -> bool {
        self.uid.is_none_or(Uid::is_root)
    }
}

/// Which of root's capabilities a process keeps when it becomes another user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// None.
    Nothing,
    /// `CAP_SETPCAP`, in this process only and not over an exec. It is needed to empty the bounding set later: hooks
    /// that run setuid programs such as fusermount need that set.
    Setpcap,
}

/// Becomes `credentials`, in the order gid, groups, uid (ORD-9: setgid, setgroups, setuid). Then reads everything back
/// and checks that root cannot be regained.
///
/// # Errors
/// The step that the kernel refused; `EPERM` for a change that had no effect. The process must end then.
pub fn become_user(credentials: &Credentials, keep: Keep) -> Result<(), SysError> {
    let stays_root = credentials.stays_root();
    if let Some(gid) = credentials.gid {
        setresgid(gid, gid, gid).context(|| format!("become group {gid}"))?;
    }
    if let Some(groups) = &credentials.groups {
        setgroups(groups).context(|| "set the supplementary groups")?;
    }
    if let Some(uid) = credentials.uid {
        if keep == Keep::Setpcap && !stays_root {
            caps::keep_over_setuid()?;
        }
        setresuid(uid, uid, uid).context(|| format!("become user {uid}"))?;
    }
    if !stays_root {
        match keep {
            Keep::Nothing => caps::keep_only(0)?,
            Keep::Setpcap => caps::keep_only(1 << caps::SETPCAP | credentials.capabilities.unwrap_or(0))
                .map_err(|error| error.meaning(credentials.capabilities.map(|_| NOT_IN_THE_UNIT)))?,
        }
    }
    verify(credentials)
}

/// Drops the last privileges of a process that has become its user: empties the bounding set, drops all capabilities
/// but the requested ones, and sets no_new_privs. A process that stays root keeps root's capabilities unless it has a
/// list of its own, and gets no_new_privs.
///
/// # Errors
/// The step the kernel refused.
pub fn seal(credentials: &Credentials) -> Result<(), SysError> {
    match (credentials.capabilities, credentials.stays_root()) {
        (None, true) => {}
        (None, false) => {
            caps::limit_bounding_set(0)?;
            caps::keep_only(0)?;
        }
        (Some(kept), _) => {
            caps::limit_bounding_set(kept)?;
            caps::keep_over_exec(kept).map_err(|error| error.meaning(Some(NOT_IN_THE_UNIT)))?;
        }
    }
    caps::no_new_privs()
}

/// Runs `step` with another user's effective ids: file permissions apply to that user, and the other end of a socket
/// sees that user. The real and saved ids stay root's, so that the user can neither signal nor trace this process
/// (kill(2), ptrace(2)).
///
/// # Errors
/// What the kernel refused, before or after the step; this process has to end then.
pub fn acting_as<T>(uid: Uid, gid: Gid, groups: &[Gid], step: impl FnOnce() -> T) -> Result<T, SysError> {
    let (no_uid, no_gid) = (Uid::from_raw(u32::MAX), Gid::from_raw(u32::MAX));
    let own_gid = getresgid().context(|| "read the group ids")?.effective;
    let own_groups = getgroups().context(|| "read the supplementary groups")?;
    setgroups(groups).context(|| "set the supplementary groups")?;
    setresgid(no_gid, gid, no_gid).context(|| format!("act as group {gid}"))?;
    // A change of the effective user id away from root disables root's capabilities, the change back restores them
    // (capabilities(7)).
    setresuid(no_uid, uid, no_uid).context(|| format!("act as user {uid}"))?;
    let done = step();
    let back = setresuid(no_uid, Uid::from_raw(0), no_uid)
        .and_then(|()| setresgid(no_gid, own_gid, no_gid))
        .and_then(|()| setgroups(&own_groups));
    back.context(|| "act as root again").map(|()| done)
}

fn verify(credentials: &Credentials) -> Result<(), SysError> {
    let refused =
        |what: &str| SysError::new(what, Errno::EPERM).meaning(Some("the kernel did not take the change"));
    if let Some(uid) = credentials.uid {
        let now = getresuid().context(|| "read the user ids back")?;
        if (now.real, now.effective, now.saved) != (uid, uid, uid) {
            return Err(refused("become the vassal's user"));
        }
        if !uid.is_root() && setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
            return Err(refused("give up root for good"));
        }
    }
    if let Some(gid) = credentials.gid {
        let now = getresgid().context(|| "read the group ids back")?;
        if (now.real, now.effective, now.saved) != (gid, gid, gid) {
            return Err(refused("become the vassal's group"));
        }
    }
    Ok(())
}
