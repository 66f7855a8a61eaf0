//! What Debian's plugins of uWSGI 2.0.21 provide besides options: kinds of loggers, and actions of routes. Listed by
//! uWSGI itself with `--loggers-list` and `--routers-list`. Without plugins uWSGI has no logger; its built-in actions
//! need no plugin.

/// Words, each with the plugin that provides it.
type Words = &'static [(&'static str, &'static str)];

/// `logger = KIND:ARGUMENT`.
pub(crate) const LOGGERS: Words = &[
    ("crypto", "logcrypto"),
    ("fd", "logfile"),
    ("file", "logfile"),
    ("graylog2", "graylog2"),
    ("pipe", "logpipe"),
    ("redislog", "redislog"),
    ("rsyslog", "rsyslog"),
    ("socket", "logsocket"),
    ("stdio", "logfile"),
    ("syslog", "syslog"),
    ("systemd", "systemd_logger"),
    ("zeromq", "logzmq"),
    ("zmq", "logzmq"),
];

/// `route = REGEX ACTION:ARGUMENT`.
pub(crate) const ACTIONS: Words = &[
    ("access", "router_access"),
    ("basicauth", "router_basicauth"),
    ("basicauth-next", "router_basicauth"),
    ("cache", "router_cache"),
    ("cache-continue", "router_cache"),
    ("cache-store", "router_cache"),
    ("cachedec", "router_cache"),
    ("cachediv", "router_cache"),
    ("cacheinc", "router_cache"),
    ("cachemul", "router_cache"),
    ("cacheset", "router_cache"),
    ("cachestore", "router_cache"),
    ("cachevar", "router_cache"),
    ("call", "rpc"),
    ("cgi", "cgi"),
    ("cgihelper", "cgi"),
    ("chunked", "transformation_chunked"),
    ("expires", "router_expires"),
    ("fastfile", "router_static"),
    ("fastfile-next", "router_static"),
    ("file", "router_static"),
    ("file-next", "router_static"),
    ("gzip", "transformation_gzip"),
    ("hash", "router_hash"),
    ("http", "router_http"),
    ("httpconnect", "router_http"),
    ("httpdumb", "router_http"),
    ("ldapauth", "ldap"),
    ("ldapauth-next", "ldap"),
    ("memcached", "router_memcached"),
    ("memcached-continue", "router_memcached"),
    ("memcached-store", "router_memcached"),
    ("memcachedstore", "router_memcached"),
    ("metricdec", "router_metrics"),
    ("metricdiv", "router_metrics"),
    ("metricinc", "router_metrics"),
    ("metricmul", "router_metrics"),
    ("metricset", "router_metrics"),
    ("offload", "transformation_offload"),
    ("proxyhttp", "router_http"),
    ("proxyhttpconnect", "router_http"),
    ("proxyuwsgi", "router_uwsgi"),
    ("radius", "router_radius"),
    ("radius-next", "router_radius"),
    ("redirect", "router_redirect"),
    ("redirect-301", "router_redirect"),
    ("redirect-302", "router_redirect"),
    ("redirect-permanent", "router_redirect"),
    ("redis", "router_redis"),
    ("redis-continue", "router_redis"),
    ("redis-store", "router_redis"),
    ("redisstore", "router_redis"),
    ("rewrite", "router_rewrite"),
    ("rewrite-last", "router_rewrite"),
    ("rpc", "rpc"),
    ("rpcblob", "rpc"),
    ("rpcnext", "rpc"),
    ("rpcraw", "rpc"),
    ("rpcret", "rpc"),
    ("rpcvar", "rpc"),
    ("sendfile", "router_static"),
    ("sendfile-next", "router_static"),
    ("ssi", "ssi"),
    ("static", "router_static"),
    ("static-next", "router_static"),
    ("template", "transformation_template"),
    ("to-file", "transformation_tofile"),
    ("tofile", "transformation_tofile"),
    ("toupper", "transformation_toupper"),
    ("toxslt", "xslt"),
    ("uwsgi", "router_uwsgi"),
    ("xmldir", "router_xmldir"),
    ("xslt", "xslt"),
];

/// The plugin that provides a word.
pub(crate) fn plugin_of_word(words: Words, word: &[u8]) -> Option<&'static str> {
    let found = words.iter().find(|(known, _)| known.as_bytes() == word);
    found.map(|(_, plugin)| *plugin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_every_word_is_there_once() {
        for words in [LOGGERS, ACTIONS] {
            assert!(words.windows(2).all(|pair| pair[0].0 < pair[1].0), "{words:?}");
        }
    }
}
