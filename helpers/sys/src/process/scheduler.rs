//! Wakeup latency.

use crate::error::{Context, SysError};
use nix::errno::Errno;

/// The slice (`se.slice`): the shortest that the kernel takes (sched_setattr(2), Linux 6.12).
const SLICE_NANOSECONDS: u64 = 100_000;
/// Flag: children get the default slice.
const RESET_ON_FORK: u64 = 1;

/// The first version of the kernel's structure (sched_setattr(2)).
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

/// Asks the scheduler (EEVDF) for a slice of 0.1 ms, which reduces the wakeup latency of this process, not of its
/// children. Its share of the processor does not grow, unlike with a real-time policy, where a flood in a vassal's log
/// could keep a machine busy. Kernels before 6.12 ignore it.
///
/// # Errors
/// `EPERM` when a policy forbids it.
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
