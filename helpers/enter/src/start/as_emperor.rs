//! Runs the emperor's own hooks (as-emperor), as root in the host's namespaces, after the vassal has been cloned.
//! uWSGI's Emperor runs them while the vassal goes on; here the vassal waits for them, so it finds what they prepare.
//! Their failures are reported and change nothing (ACT-4).

use crate::hooks::output::HookOutput;
use crate::hooks::run::RootHooks;
use crate::hooks::session::Session;
use crate::invocation::Invocation;
use crate::stop::Stop;
use nix::unistd::Pid;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_sys::SysError;
use vassal_sys::proc::Proc;

/// Runs the hooks for the vassal whose first process is `vassal`. systemd's request to `stop` ends them and the vassal.
pub fn run(invocation: &Invocation, plan: &Plan, vassal: Pid, stop: &Stop<'_>) {
    let (hooks, _) = plan.split_emperors();
    if hooks.is_empty() {
        return;
    }
    if let Err(error) = run_all(invocation, plan, vassal, stop, hooks) {
        invocation.warn(&format!("as-emperor hooks: {error}, ignoring"));
    }
}

fn run_all(
    invocation: &Invocation,
    plan: &Plan,
    vassal: Pid,
    stop: &Stop<'_>,
    hooks: &[Operation],
) -> Result<(), SysError> {
    debug_assert!(hooks.iter().all(|hook| hook.phase == Phase::AsEmperor));
    let proc = Proc::mounted()?;
    let mut log = HookOutput::new()?;
    let mut session = Session::of_start(plan, invocation.environment.to_vec(), &proc, stop);
    session.environment.extend([
        (b"UWSGI_VASSAL_CONFIG".to_vec(), invocation.vassal.file()),
        (b"UWSGI_VASSAL_PID".to_vec(), vassal.to_string().into_bytes()),
        (b"UWSGI_VASSAL_UID".to_vec(), b"0".to_vec()),
        (b"UWSGI_VASSAL_GID".to_vec(), b"0".to_vec()),
    ]);
    let mut runner = RootHooks {
        log: &mut log,
        stop,
        limit: plan.settings.hook_limit,
    };
    for hook in hooks {
        if let Err(failure) = runner.run(hook, &mut session) {
            invocation.warn(&format!("{failure}, ignoring"));
        }
    }
    Ok(())
}
