//! Whether the vassal's own root directory is root's alone. Its owner decides what its names mean and what its programs do; so where
//! others can write to it, no command of root's runs in it, and its names count only as far as the host confirms them.

use crate::environment::Environment;
use crate::failure::{Failure, HookFailure};
use crate::hooks::foreign;
use crate::user::{self, Lookup};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;
use vassal_config::vassal::plan::{Operation, Plan};
use vassal_sys::creds::Credentials;
use vassal_sys::error::Context;
use vassal_sys::proc::Proc;
use vassal_sys::reach::{self, Last};

/// The root directory that a vassal changes to.
#[derive(Debug)]
pub struct OwnRoot {
    /// Why it is not root's alone.
    why: Option<String>,
    /// Why its names do not count alone, and the numbers that the host gives them.
    doubt: Option<(String, Result<Credentials, Failure>)>,
    /// `trust-root`
    is_trusted: bool,
}

impl OwnRoot {
    /// Looks at the root directory that `plan` is about to change to. The step itself reports what cannot be looked at.
    ///
    /// # Errors
    /// When proc does not answer.
    pub fn judge(plan: &Plan, proc: &Proc) -> Result<Self, Failure> {
        let jail = plan
            .operations
            .iter()
            .filter(|operation| operation.phase == Phase::Jail);
        let (mut why, mut swapped) = (None, None);
        let mut top = reach::root().context(|| "open the root directory")?;
        for operation in jail {
            let (Action::Chroot(path) | Action::PivotRoot(path, _)) = &operation.action else {
                continue;
            };
            let shown = Path::new(OsStr::from_bytes(path));
            let Ok(place) = reach::judge(&top, shown, Last::Followed) else {
                break;
            };
            let Some(next) = place.object else { break };
            // Another directory may be there in a moment; pivot_root(2) takes nothing but a mount, which no tenant makes here.
            if matches!(operation.action, Action::Chroot(_)) {
                swapped = swapped.or(place.foreign);
            }
            top = next;
            why = why.or(foreign::filesystem(&top, shown, proc)?);
            why = why.or_else(|| foreign::names(&top).map(|why| format!("{why} (in '{}')", shown.display())));
        }
        let doubt = why.clone().or(swapped);
        Ok(Self {
            doubt: doubt.map(|why| (why, user::resolve(&plan.identity, Lookup::Host, proc))),
            why,
            is_trusted: plan.settings.trust_root,
        })
    }

    /// Whom the app becomes, by the names of the present root directory, which is this one.
    ///
    /// # Errors
    /// A name that does not exist, or that only a root directory which others can write knows.
    pub fn credentials(&self, plan: &Plan, proc: &Proc) -> Result<Credentials, Failure> {
        let own = user::resolve(&plan.identity, Lookup::OwnRoot, proc)?;
        match &self.doubt {
            Some((why, host)) => user::confirm(own, host.clone(), &plan.identity, why),
            None => Ok(own),
        }
    }

    /// Whether root may run `command` in it.
    ///
    /// # Errors
    /// What is not root's alone, and what to do.
    pub fn permit(
        &self,
        operation: &Operation,
        shells: &[Vec<u8>],
        environment: &Environment,
        proc: &Proc,
    ) -> Result<(), Failure> {
        let Action::Exec { command, .. } = &operation.action else {
            return Ok(());
        };
        if self.is_trusted || operation.phase < Phase::Jail {
            return Ok(());
        }
        let root = reach::root().context(|| "open the root directory")?;
        let why = match &self.why {
            Some(why) => Some(why.clone()),
            None => foreign::command(&root, shells, command, environment, proc)?,
        };
        match why {
            None => Ok(()),
            Some(why) => Err(HookFailure::ForeignRoot { why }.into()),
        }
    }
}
