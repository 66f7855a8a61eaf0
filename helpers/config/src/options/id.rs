//! The identities of the options on which vassal's programs act: one for an option and all its aliases.

/// Makes the enum [`Id`] from a list of variants and the canonical names of the options.
macro_rules! ids {
    ($($id:ident $name:literal,)*) => {
        /// An option on which a program of vassal acts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Id {
            $(#[doc = concat!("`", $name, "`")] $id,)*
        }

        impl Id {
            /// All identities.
            pub const ALL: &[Id] = &[$(Id::$id,)*];

            /// The canonical name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Id::$id => $name,)*
                }
            }
        }
    };
}

ids! {
    AbstractSocket "abstract-socket",
    AddGid "add-gid",
    BinaryAppendData "binary-append-data",
    Binsh "binsh",
    Blacklist "blacklist",
    BuildPlugin "build-plugin",
    Cache2 "cache2",
    Cap "cap",
    Cflags "cflags",
    CgroupOpt "cgroup-opt",
    Chdir "chdir",
    Chdir2 "chdir2",
    Cheap "cheap",
    ChmodSocket "chmod-socket",
    ChownSocket "chown-socket",
    Chroot "chroot",
    Config "config",
    ConfigPy "config-py",
    ConnectAndRead "connect-and-read",
    Daemonize "daemonize",
    DeclareOption "declare-option",
    DeclareOption2 "declare-option2",
    DieOnTerm "die-on-term",
    DotH "dot-h",
    EarlyEmperor "early-emperor",
    EarlyEnvdir "early-envdir",
    Emperor "emperor",
    EmperorCap "emperor-cap",
    EmperorCurseTolerance "emperor-curse-tolerance",
    EmperorFreq "emperor-freq",
    EmperorGracefulShutdown "emperor-graceful-shutdown",
    EmperorMagicExec "emperor-magic-exec",
    EmperorMaxThrottle "emperor-max-throttle",
    EmperorNoBlacklist "emperor-no-blacklist",
    EmperorNofollow "emperor-nofollow",
    EmperorOnDemandDirectory "emperor-on-demand-directory",
    EmperorOnDemandExec "emperor-on-demand-exec",
    EmperorOnDemandExtension "emperor-on-demand-extension",
    EmperorPidfile "emperor-pidfile",
    EmperorProcname "emperor-procname",
    EmperorRequiredHeartbeat "emperor-required-heartbeat",
    EmperorStats "emperor-stats",
    EmperorThrottle "emperor-throttle",
    EmperorTyrant "emperor-tyrant",
    EmperorUseClone "emperor-use-clone",
    EmperorWrapper "emperor-wrapper",
    EmperorWrapperFallback "emperor-wrapper-fallback",
    EmperorWrapperOverride "emperor-wrapper-override",
    EndBlacklist "end-blacklist",
    EndWhitelist "end-whitelist",
    Env "env",
    Envdir "envdir",
    Eval "eval",
    Exit "exit",
    Extract "extract",
    FastcgiNphSocket "fastcgi-nph-socket",
    FastcgiSocket "fastcgi-socket",
    Fastrouter "fastrouter",
    FastrouterSubscriptionServer "fastrouter-subscription-server",
    File "file",
    FileWrite "file-write",
    Flock "flock",
    FlockWait "flock-wait",
    FlockWait2 "flock-wait2",
    Flock2 "flock2",
    Forkptyrouter "forkptyrouter",
    Freebind "freebind",
    Gid "gid",
    Help "help",
    Http "http",
    HttpSocket "http-socket",
    HttpSubscriptionServer "http-subscription-server",
    HttpTo "http-to",
    HttpUseBase "http-use-base",
    HttpUseCache "http-use-cache",
    HttpUseCodeString "http-use-code-string",
    HttpUsePattern "http-use-pattern",
    HttpUseSocket "http-use-socket",
    HttpZerg "http-zerg",
    Http11Socket "http11-socket",
    Httprouter "httprouter",
    Https "https",
    HttpsSocket "https-socket",
    Https2 "https2",
    ImmediateGid "immediate-gid",
    ImmediateUid "immediate-uid",
    Include "include",
    Inherit "inherit",
    Ini "ini",
    IniPaste "ini-paste",
    IniPasteLogged "ini-paste-logged",
    InjectAfter "inject-after",
    InjectBefore "inject-before",
    Iprint "iprint",
    Jailed "jailed",
    Jwsgi "jwsgi",
    Listen "listen",
    LogBackupname "log-backupname",
    LogMaxsize "log-maxsize",
    LogReopen "log-reopen",
    LogTruncate "log-truncate",
    Logdate "logdate",
    LogfileChmod "logfile-chmod",
    LogfileChown "logfile-chown",
    Logger "logger",
    Logto "logto",
    Logto2 "logto2",
    Lua "lua",
    Master "master",
    MasterFifo "master-fifo",
    Module "module",
    MonoApp "mono-app",
    Mount "mount",
    NeedApp "need-app",
    NeedPlugins "need-plugins",
    NoInitgroups "no-initgroups",
    NoOrphans "no-orphans",
    Paste "paste",
    Pause "pause",
    Pecan "pecan",
    Pidfile "pidfile",
    Pidfile2 "pidfile2",
    PivotRoot "pivot-root",
    Plugins "plugins",
    PluginsDir "plugins-dir",
    Print "print",
    PrintSym "print-sym",
    Processes "processes",
    Psgi "psgi",
    Pump "pump",
    PuwsgiSocket "puwsgi-socket",
    QueueStore "queue-store",
    Rack "rack",
    Rails "rails",
    RawSocket "raw-socket",
    Rawrouter "rawrouter",
    Reload "reload",
    ReloadMercy "reload-mercy",
    ReqLogger "req-logger",
    Resolve "resolve",
    Resume "resume",
    ReusePort "reuse-port",
    SafePidfile "safe-pidfile",
    SafePidfile2 "safe-pidfile2",
    ScgiNphSocket "scgi-nph-socket",
    ScgiSocket "scgi-socket",
    Set "set",
    SharedSocket "shared-socket",
    Sharedarea "sharedarea",
    Signal "signal",
    Sni "sni",
    SniRegexp "sni-regexp",
    Socket "socket",
    Spooler "spooler",
    SpoolerExternal "spooler-external",
    Sslrouter "sslrouter",
    Sslrouter2 "sslrouter2",
    Stats "stats",
    StatsPush "stats-push",
    Stop "stop",
    Strict "strict",
    Suspend "suspend",
    SuwsgiSocket "suwsgi-socket",
    TouchLogreopen "touch-logreopen",
    TouchLogrotate "touch-logrotate",
    Uid "uid",
    Umask "umask",
    Unenv "unenv",
    UnprivilegedBinaryPatch "unprivileged-binary-patch",
    UnprivilegedBinaryPatchArg "unprivileged-binary-patch-arg",
    Unshare "unshare",
    Unshare2 "unshare2",
    UwsgiSocket "uwsgi-socket",
    VassalsInclude "vassals-include",
    VassalsIncludeBefore "vassals-include-before",
    VassalsInherit "vassals-inherit",
    VassalsInheritBefore "vassals-inherit-before",
    VassalsSet "vassals-set",
    VassalsStartHook "vassals-start-hook",
    VassalsStopHook "vassals-stop-hook",
    Version "version",
    WaitForFs "wait-for-fs",
    WaitForFsTimeout "wait-for-fs-timeout",
    WaitForInterface "wait-for-interface",
    WaitForInterfaceTimeout "wait-for-interface-timeout",
    WaitForMountpoint "wait-for-mountpoint",
    Web3 "web3",
    Whitelist "whitelist",
    WorkerExec "worker-exec",
    WorkerExec2 "worker-exec2",
    Wsgi "wsgi",
    WsgiFile "wsgi-file",
    Zerg "zerg",
    ZergServer "zerg-server",
}

impl Id {
    /// The identity of a canonical name.
    pub(crate) const fn named(name: &str) -> Option<Id> {
        let mut at = 0;
        while at < Id::ALL.len() {
            if is_same(Id::ALL[at].name().as_bytes(), name.as_bytes()) {
                return Some(Id::ALL[at]);
            }
            at += 1;
        }
        None
    }
}

/// `==` for constant evaluation.
const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::lookup::find;
    use crate::options::plugins::plugin_option;

    #[test]
    fn every_one_is_the_name_of_an_option_that_all_its_aliases_share() {
        for id in Id::ALL {
            let name = id.name().as_bytes();
            let of_core = find(name)
                .filter(|row| row.canonical == row.name)
                .and_then(|row| row.id);
            let of_plugin = plugin_option(name).and_then(|row| row.id);
            assert_eq!(of_core.or(of_plugin), Some(*id));
        }
        assert_eq!(find(b"workers").and_then(|row| row.id), Some(Id::Processes));
    }
}
