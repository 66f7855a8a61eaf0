//! Plugins, as far as the language notices them: `if-plugin`, `need-plugin`, and the option names they bring (C9, U2).
//!
//! Nothing is loaded here. A plugin counts as loaded when its file is where uWSGI would find it.

use crate::limits::PLUGIN_FILES;
use crate::machine::world::World;
use crate::options::plugin_table::{PLUGIN_OPTIONS, PluginOption};

const SUFFIX: &[u8] = b"_plugin.so";

/// The gateways which load the plugin they are built on.
const BUILT_ON_COREROUTER: [&[u8]; 5] = [
    b"fastrouter",
    b"forkptyrouter",
    b"http",
    b"rawrouter",
    b"sslrouter",
];

/// Debian's plugins that bring no options.
const KNOWN_WITHOUT_OPTIONS: [&[u8]; 52] = [
    b"alarm_curl",
    b"alarm_xmpp",
    b"cache",
    b"cheaper_backlog2",
    b"clock_monotonic",
    b"clock_realtime",
    b"corerouter",
    b"echo",
    b"emperor_amqp",
    b"emperor_pg",
    b"emperor_zeromq",
    b"gccgo",
    b"graylog2",
    b"logcrypto",
    b"logfile",
    b"logpipe",
    b"logsocket",
    b"mongrel2",
    b"msgpack",
    b"redislog",
    b"router_access",
    b"router_basicauth",
    b"router_cache",
    b"router_expires",
    b"router_hash",
    b"router_http",
    b"router_memcached",
    b"router_metrics",
    b"router_radius",
    b"router_redirect",
    b"router_redis",
    b"router_rewrite",
    b"router_static",
    b"router_uwsgi",
    b"router_xmldir",
    b"rpc",
    b"servlet",
    b"signal",
    b"spooler",
    b"ssi",
    b"stats_pusher_file",
    b"stats_pusher_socket",
    b"stats_pusher_statsd",
    b"syslog",
    b"systemd_logger",
    b"transformation_chunked",
    b"transformation_gzip",
    b"transformation_offload",
    b"transformation_template",
    b"transformation_tofile",
    b"transformation_toupper",
    b"xattr",
];

/// What is not as under an Emperor of an option that one of Debian's plugins brings.
pub fn plugin_change(name: &[u8]) -> Option<&'static str> {
    plugin_option(name)?.change
}

/// The row of an option of a plugin, whether that is loaded or not.
pub(crate) fn plugin_option(name: &[u8]) -> Option<&'static PluginOption> {
    let index = PLUGIN_OPTIONS
        .binary_search_by(|row| row.name.as_bytes().cmp(name))
        .ok()?;
    PLUGIN_OPTIONS.get(index)
}

/// Why two apps with an option that one of Debian's plugins brings cannot run side by side, where they cannot.
pub fn plugin_exclusive(name: &[u8]) -> Option<&'static str> {
    plugin_option(name)?.exclusive
}

/// The plugin of Debian's packages that brings the option `name`, if one does.
pub fn plugin_of(name: &[u8]) -> Option<&'static str> {
    plugin_option(name).map(|row| row.plugin)
}

/// The names of all options that Debian's plugins bring.
pub fn plugin_names() -> impl Iterator<Item = &'static str> {
    PLUGIN_OPTIONS.iter().map(|row| row.name)
}

/// A word of a list of plugins that was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotLoaded<'v> {
    /// There is no such file.
    Missing(&'v [u8]),
    /// It is loaded already, which only `need-plugin` minds (tried on 2.0.21).
    Again(&'v [u8]),
}

/// The plugins of one evaluation.
#[derive(Debug, Default)]
pub(crate) struct Plugins {
    directories: Vec<Vec<u8>>,
    /// By their own names (C9): `python` for `python3`.
    loaded: Vec<Vec<u8>>,
    /// A plugin was loaded whose options are not in the table.
    has_foreign: bool,
    /// How many files were looked for.
    looked_for: usize,
}

impl Plugins {
    /// `plugin-dir`: directories are searched in the order they were given, the one compiled in last.
    pub(crate) fn add_directory(&mut self, directory: &[u8]) {
        self.directories.push(directory.to_vec());
    }

    /// `plugin`: loads a comma list, answers what was not loaded; nothing when too many were looked for.
    pub(crate) fn load<'v>(&mut self, value: &'v [u8], world: &dyn World) -> Option<Vec<NotLoaded<'v>>> {
        let words = value.split(|&byte| byte == b',').filter(|word| !word.is_empty());
        let mut not_loaded = Vec::new();
        for word in words {
            let file = file_of(word);
            let candidates = self.candidates(&file, world);
            self.looked_for += candidates.len();
            if self.looked_for > PLUGIN_FILES {
                return None;
            }
            match candidates.iter().any(|candidate| world.is_file(candidate)) {
                true if self.is_loaded(own_name(&file)) => not_loaded.push(NotLoaded::Again(word)),
                true => self.remember(own_name(&file)),
                false => not_loaded.push(NotLoaded::Missing(word)),
            }
        }
        Some(not_loaded)
    }

    /// Where a plugin's file may be.
    fn candidates(&self, file: &[u8], world: &dyn World) -> Vec<Vec<u8>> {
        if file.contains(&b'/') {
            return vec![file.to_vec()];
        }
        let compiled_in = std::iter::once(world.plugin_dir());
        let directories = self.directories.iter().map(Vec::as_slice).chain(compiled_in);
        directories
            .take(PLUGIN_FILES + 1)
            .map(|directory| [directory, b"/", file].concat())
            .collect()
    }

    fn remember(&mut self, name: &[u8]) {
        if self.is_loaded(name) {
            return;
        }
        if BUILT_ON_COREROUTER.contains(&name) {
            self.remember(b"corerouter");
        }
        self.has_foreign |= !is_in_tables(name);
        self.loaded.push(name.to_vec());
    }

    /// How many plugins were loaded.
    pub(crate) fn count(&self) -> usize {
        self.loaded.len()
    }

    /// Whether a plugin of that own name is loaded (C9).
    pub(crate) fn is_loaded(&self, name: &[u8]) -> bool {
        self.loaded.iter().any(|loaded| loaded == name)
    }

    /// The option of that name, when its plugin is loaded.
    pub(crate) fn option(&self, name: &[u8]) -> Option<&'static PluginOption> {
        plugin_option(name).filter(|row| self.is_loaded(row.plugin.as_bytes()))
    }

    /// The options of all loaded plugins.
    pub(crate) fn options(&self) -> impl Iterator<Item = &'static PluginOption> {
        PLUGIN_OPTIONS
            .iter()
            .filter(|row| self.is_loaded(row.plugin.as_bytes()))
    }

    /// Whether an unknown name may belong to a plugin that is loaded, but of which nothing is known here.
    pub(crate) fn may_know_more(&self) -> bool {
        self.has_foreign
    }
}

/// The file of a plugin as it is named: `psgi`, `0:psgi` with a modifier, or a path.
fn file_of(word: &[u8]) -> Vec<u8> {
    let name = crate::bytes::split::split_once(word, b':')
        .map_or(word, |(_modifier, name)| name)
        .trim_ascii();
    if name.ends_with(SUFFIX) {
        name.to_vec()
    } else {
        [name, SUFFIX].concat()
    }
}

/// What a plugin calls itself: its file's name, without the version of the language where it is built once for each
/// (`python311`, `lua51`, `rack_ruby31`, `gevent_python3`, `jvm_openjdk17`; tried on 2.0.21).
fn own_name(file: &[u8]) -> &[u8] {
    let name = file.rsplit(|&byte| byte == b'/').next().unwrap_or(file);
    let name = name.strip_suffix(SUFFIX).unwrap_or(name);
    let plain = without_version(name);
    if plain.len() < name.len() {
        let built_for = [&b"_python"[..], b"_ruby", b"_openjdk"];
        if let Some(own) = built_for.iter().find_map(|suffix| plain.strip_suffix(*suffix)) {
            return own;
        }
        if matches!(plain, b"python" | b"lua") {
            return plain;
        }
    }
    name
}

/// The part of a name before the digits at its end.
fn without_version(name: &[u8]) -> &[u8] {
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    name.get(..name.len() - digits).unwrap_or(name)
}

/// The plugins that a comma list names, by their own names.
fn named(value: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let words = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    words
        .filter(|word| !word.is_empty())
        .map(|word| own_name(&file_of(word)).to_vec())
}

/// Whether the value of a `plugin` line loads `plugin`, directly or with another that is built on it.
pub(crate) fn is_loaded_by(value: &[u8], plugin: &str) -> bool {
    let is_built_on = |name: &[u8]| plugin == "corerouter" && BUILT_ON_COREROUTER.contains(&name);
    named(value).any(|name| name == plugin.as_bytes() || is_built_on(&name))
}

/// Whether the value of a `plugin` line names one that is not in the tables.
pub(crate) fn names_unknown(value: &[u8]) -> bool {
    named(value).any(|name| !is_in_tables(&name))
}

fn is_in_tables(name: &[u8]) -> bool {
    KNOWN_WITHOUT_OPTIONS.contains(&name) || PLUGIN_OPTIONS.iter().any(|row| row.plugin.as_bytes() == name)
}

/// How Debian names the plugin in a `plugin =` line: those for Python are files of its version's name only.
pub fn debian_name(plugin: &str) -> String {
    match plugin {
        "python" => "python3".to_owned(),
        "asyncio" | "gevent" | "greenlet" | "tornado" => format!("{plugin}_python3"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::fake::FakeWorld;

    #[test]
    fn the_table_is_sorted_and_shares_no_name_with_the_core() {
        for pair in PLUGIN_OPTIONS.windows(2) {
            assert!(pair[0].name < pair[1].name, "{}", pair[1].name);
        }
        for row in PLUGIN_OPTIONS {
            assert!(
                crate::options::lookup::find(row.name.as_bytes()).is_none(),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn a_plugin_whose_options_are_known_may_not_know_more() {
        let world = FakeWorld::with(&[("/plugins/http_plugin.so", ""), ("/plugins/echo_plugin.so", "")]);
        let mut plugins = Plugins::default();
        assert_eq!(
            plugins.load(b"http,echo,http", &world),
            Some(vec![NotLoaded::Again(b"http")])
        );
        assert!(!plugins.may_know_more());
        assert_eq!(plugins.count(), 3);
    }

    #[test]
    fn endless_lists_of_plugins_are_given_up() {
        let value = b"x,".repeat(PLUGIN_FILES + 1);
        assert_eq!(Plugins::default().load(&value, &FakeWorld::with(&[])), None);
    }

    #[test]
    fn plugins_are_looked_for_where_uwsgi_looks() {
        let world = FakeWorld::with(&[
            ("/plugins/psgi_plugin.so", ""),
            ("/plugins/http_plugin.so", ""),
            ("/plugins/python3_plugin.so", ""),
            ("/own/mine_plugin.so", ""),
        ]);
        let mut plugins = Plugins::default();
        plugins.add_directory(b"/own");
        assert!(plugins.option(b"psgi").is_none());
        let value = b"psgi,nope, mine,0:http,/plugins/python3,,/plugins/cgi_plugin.so";
        assert_eq!(
            plugins.load(value, &world),
            Some(vec![
                NotLoaded::Missing(b"nope"),
                NotLoaded::Missing(b"/plugins/cgi_plugin.so")
            ])
        );
        for name in ["psgi", "mine", "http", "corerouter", "python"] {
            assert!(plugins.is_loaded(name.as_bytes()), "{name}");
        }
        assert!(!plugins.is_loaded(b"python3"));
        assert!(plugins.option(b"psgi").is_some());
        assert!(plugins.may_know_more());
    }
}
