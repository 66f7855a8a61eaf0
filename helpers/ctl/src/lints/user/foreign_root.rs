//! Lint: a root command in a root directory that others than root can change. A start refuses it.

use crate::lints::new_root::foreign;
use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::hooks::action::Action;
use vassal_config::hooks::phase::Phase;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    let Some(host) = scene.host.filter(|_| !plan.settings.trust_root) else {
        return Vec::new();
    };
    let inside = plan.operations.iter().filter(|operation| {
        operation.phase > Phase::Jail
            && operation.phase < Phase::AsUser
            && matches!(operation.action, Action::Exec { .. })
    });
    let mut inside = inside.peekable();
    let Some(why) = inside.peek().and_then(|_| foreign(plan, host)) else {
        return Vec::new();
    };
    let said = inside.map(|operation| {
        let message = format!("this command of root's is refused in the new root directory: {why}");
        let hint = "run it pre-jail or as-user, give all of the root directory to root, or set trust-root = true in [vassal]";
        Remark::warning(Rule::ForeignRoot, message, hint).at(operation.origin.as_ref(), scene)
    });
    said.collect()
}
