//! An app's option without the line that loads its plugin (SEED-1): uWSGI takes it for a placeholder.

use super::{Said, Scene};
use crate::finding::Finding;
use vassal_config::diagnostic::quote;
use vassal_config::payload::{Payload, app_without_plugin};

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Payload::Uwsgi { entries, program: _ } = &scene.vassal.plan.payload else {
        return Vec::new();
    };
    let found = app_without_plugin(entries).map(|(entry, plugin)| {
        let message = format!(
            "{} does nothing: no line loads the plugin '{plugin}'",
            quote(&entry.key)
        );
        let hint = format!("add 'plugin = {plugin}', unless your uWSGI has it built in");
        Said::warning("missing-plugin", message, hint).at(Some(&entry.origin), scene)
    });
    found.into_iter().collect()
}
