//! Lint: a line needs a plugin that no line loads (SEED-1). uWSGI takes an unknown option for a placeholder, and exits
//! at an unknown logger or route action.

use crate::lints::scene::{Remark, Scene};
use crate::reading::finding::Finding;
use crate::reading::rule::Rule;
use vassal_config::diagnostic::quote;
use vassal_config::options::plugins::debian_name;
use vassal_config::vassal::missing_plugins::missing_plugins;
use vassal_config::vassal::payload::Payload;

pub fn look(scene: &Scene<'_>) -> Vec<Finding> {
    let Payload::Uwsgi { entries, program: _ } = &scene.vassal.plan.payload else {
        return Vec::new();
    };
    let missing = missing_plugins(entries).into_iter();
    let found = missing.map(|(entry, plugin)| {
        let plugin = debian_name(plugin);
        let message = format!(
            "{} does nothing: no line loads the plugin '{plugin}'",
            quote(&entry.key)
        );
        let hint = format!("add 'plugin = {plugin}', unless your uWSGI has it built in");
        Remark::warning(Rule::MissingPlugin, message, hint).at(Some(&entry.origin), scene)
    });
    found.collect()
}
