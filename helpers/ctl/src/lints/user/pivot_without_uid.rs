//! Lint: `pivot_root` without `uid` (ORD-5). Under uWSGI's Emperor it crashes again and again, because the step is done
//! twice for root.

use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::hooks::action::Action;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let plan = &scene.vassal.plan;
    if plan.identity.uid.is_some() {
        return Vec::new();
    }
    let pivots = plan
        .operations
        .iter()
        .filter(|operation| matches!(operation.action, Action::PivotRoot(..)));
    let said = pivots.map(|operation| {
        let message = "pivot_root without uid works here, but not under uWSGI's Emperor";
        let hint = "there it is done again, fails, and the vassal is restarted for ever; add 'uid = NAME'";
        Remark::note(Rule::PivotWithoutUid, message, hint).at(operation.origin.as_ref(), scene)
    });
    said.collect()
}
