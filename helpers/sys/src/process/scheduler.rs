//! How soon a process runs that has been woken.

use crate::error::{Context, SysError};
use nix::errno::Errno;

/// What `se.slice` becomes: the least that the kernel takes (sched_setattr(2), Linux 6.12).
const SLICE_NANOSECONDS: u64 = 100_000;
/// Children get the default again.
const RESET_ON_FORK: u64 = 1;

/// The first version of the structure (sched_setattr(2)).
#[repr(C)]
#[derive(Debug, Default, Clone, Copy)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// Asks the scheduler (EEVDF) for a slice of 0.1 ms, which cuts the latency of a wakeup; not for children. The process gets no
/// larger share of
/// the processor, unlike with a real-time policy, with which a flood in a vassal's log could keep a machine busy. Kernels before 6.12
/// ignore it.
///
/// # Errors
/// `EPERM` when it is forbidden.
pub fn run_soon_when_woken() -> Result<(), SysError> {
    let attributes = Attributes {
        size: size_of::<Attributes>() as u32,
        policy: libc::SCHED_OTHER as u32,
        flags: RESET_ON_FORK,
        runtime: SLICE_NANOSECONDS,
        ..Attributes::default()
    };
    // SAFETY: the structure is complete and as large as its `size` says; the kernel only reads it. nix has no call for it.
    let result = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    Errno::result(result).map(drop).context(|| "ask for short turns")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_turns_are_short_and_children_have_others() {
        run_soon_when_woken().unwrap();
        let mut now = Attributes::default();
        // SAFETY: the kernel fills at most the size that it is told.
        let result = unsafe {
            libc::syscall(
                libc::SYS_sched_getattr,
                0,
                &raw mut now,
                size_of::<Attributes>(),
                0,
            )
        };
        assert_eq!(result, 0);
        assert_eq!(
            (now.policy, now.nice, now.flags & RESET_ON_FORK),
            (0, 0, RESET_ON_FORK)
        );
        // 0 before Linux 6.12.
        assert!([0, SLICE_NANOSECONDS].contains(&now.runtime), "{}", now.runtime);
    }
}
