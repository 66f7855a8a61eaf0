//! Finds lines for which a plugin is missing. A uWSGI without built-in plugins, such as Debian's, silently takes such
//! an option for a placeholder (SEED-1), and exits if a logger or a route's action is missing.

use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use crate::options::plugin_words::{ACTIONS, LOGGERS, plugin_of_word};
use crate::options::plugins::{is_loaded_by, plugin_of};

const LOADERS: [Id; 2] = [Id::Plugins, Id::NeedPlugins];

/// For each missing plugin the first line that needs it, and the plugin; in the order of the lines.
pub fn missing_plugins(entries: &[Entry]) -> Vec<(&Entry, &'static str)> {
    let mut missing: Vec<(&Entry, &'static str)> = Vec::new();
    for entry in entries {
        let Some(plugin) = needed(entry) else { continue };
        let is_told = missing.iter().any(|(_, told)| *told == plugin);
        if !is_told && !is_loaded(entries, plugin) {
            missing.push((entry, plugin));
        }
    }
    missing
}

/// Whether `entry` needs a plugin that no line of `entries` loads.
pub fn is_without_plugin(entry: &Entry, entries: &[Entry]) -> bool {
    needed(entry).is_some_and(|plugin| !is_loaded(entries, plugin))
}

/// Whether a line of `entries` loads `plugin`.
pub fn is_loaded(entries: &[Entry], plugin: &str) -> bool {
    let mut lines = entries
        .iter()
        .filter(|entry| LOADERS.iter().any(|id| entry.is(*id)));
    lines.any(|line| is_loaded_by(line.value.as_deref().unwrap_or_default(), plugin))
}

/// Whether a plugin is loaded that is not in the tables, and may provide any option.
pub fn loads_unknown(entries: &[Entry]) -> bool {
    let mut lines = entries
        .iter()
        .filter(|entry| LOADERS.iter().any(|id| entry.is(*id)));
    lines.any(|line| crate::options::plugins::names_unknown(line.value.as_deref().unwrap_or_default()))
}

/// The plugin that a line needs.
fn needed(entry: &Entry) -> Option<&'static str> {
    let value = entry.value.as_deref().unwrap_or_default();
    let before = |text: &[u8]| {
        text.split(|byte| *byte == b':')
            .next()
            .unwrap_or_default()
            .to_vec()
    };
    match entry.id() {
        // `logger = NAME KIND:ARGUMENT`; the name is optional.
        Some(Id::Logger | Id::ReqLogger) => {
            let kind = before(value);
            let kind = kind.rsplit(|byte| *byte == b' ').next().unwrap_or_default();
            plugin_of_word(LOGGERS, kind)
        }
        _ if is_route(&entry.key) => {
            // Subject and regular expression contain no blanks, not even quoted ones. So the action is the last word
            // with a colon, or else the last word.
            let words = value
                .split(|byte| *byte == b' ')
                .skip(usize::from(has_subject(&entry.key)));
            let mut words = words.filter(|word| !word.is_empty());
            words.find_map(|word| plugin_of_word(ACTIONS, &before(word)))
        }
        _ => plugin_of(&entry.key),
    }
}

fn is_route(key: &[u8]) -> bool {
    [&b"route"[..], b"error-route", b"final-route", b"response-route"]
        .iter()
        .any(|family| {
            key.strip_prefix(*family)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"))
        })
}

/// Whether a subject or a regular expression precedes the action; only `route-run` and similar options have none.
fn has_subject(key: &[u8]) -> bool {
    !key.ends_with(b"-run")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    fn missing(lines: &[(&str, &str)]) -> Vec<&'static str> {
        let entries: Vec<Entry> = lines
            .iter()
            .map(|(key, value)| {
                Entry::new(
                    key.as_bytes().to_vec(),
                    Some(value.as_bytes().to_vec()),
                    Origin::CommandLine,
                )
            })
            .collect();
        missing_plugins(&entries)
            .iter()
            .map(|(_, plugin)| *plugin)
            .collect()
    }

    #[test]
    fn every_kind_of_line_names_the_plugin_it_needs_once() {
        assert_eq!(missing(&[("rack", "x"), ("rb-lib", "y")]), ["rack"]);
        assert_eq!(
            missing(&[("http", ":80"), ("php-docroot", "/srv")]),
            ["http", "php"]
        );
        assert_eq!(missing(&[("logger", "file:/var/log/x")]), ["logfile"]);
        assert_eq!(missing(&[("req-logger", "requests syslog:x")]), ["syslog"]);
        assert_eq!(missing(&[("route", "^/a redirect:/b")]), ["router_redirect"]);
        assert_eq!(missing(&[("route-if", "exists:/x static:/y")]), ["router_static"]);
        assert_eq!(
            missing(&[("route-run", "log:x"), ("route", "^/ continue:")]),
            Vec::<&str>::new()
        );
        assert_eq!(
            missing(&[("wsgi-file", "a.py"), ("plugin", "python3")]),
            Vec::<&str>::new()
        );
        assert_eq!(
            missing(&[("gevent", "5"), ("plugins", "python3, gevent_python311")]),
            Vec::<&str>::new()
        );
        assert_eq!(
            missing(&[("http", ":80"), ("plugins", "0:router_http")]),
            ["http"]
        );
    }
}
