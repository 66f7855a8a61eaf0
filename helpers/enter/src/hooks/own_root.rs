//! Decides whether the vassal's own root directory can be trusted. Its owner controls its names and programs; so if
//! others than root can write there, no root command runs in it, and its user names count only if the host confirms
//! them.

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

/// The root directory to which a vassal changes.
#[derive(Debug)]
pub struct OwnRoot {
    /// Why it is not trusted, if it is not.
    why: Option<String>,
    /// Why its names are not trusted, and the credentials that the host has for them.
    doubt: Option<(String, Result<Credentials, Failure>)>,
    /// `trust-root`
    is_trusted: bool,
}

impl OwnRoot {
    /// Examines the root directory to which `plan` is about to change. If it cannot be examined, the step itself will
    /// report that.
    ///
    /// # Errors
    /// When proc cannot be read.
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
            // chroot(2) may find another directory there a moment later. pivot_root(2) takes only a mount, and no
            // tenant can mount here.
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

    /// The app's credentials by the names in the present root directory, which must be this one.
    ///
    /// # Errors
    /// A name that does not exist, or that exists only in a root directory which others than root can write.
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
    /// What others than root can change, and the remedy.
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
