//! Checks whether systemd can read the values of directives. It ignores a value that it cannot read, with a message in
//! a log that few people read: a misspelled limit is no limit. Checked are values whose grammar systemd's manual
//! specifies: resource limits, times, booleans and numbers. All other directives, including those that this version
//! does not know, are left to systemd.
//!
//! The grammar was compared with the messages of `systemd-analyze verify` on systemd 252 and 257; a test on booted
//! machines repeats that.

use super::numbers::{IEC, SI, is_boolean, is_time, part, size, unsigned};

/// The grammar of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grammar {
    /// Bytes, a percentage of the machine's memory, or `infinity`; some accept 0.
    Memory { zero: bool },
    /// A number of tasks, a percentage of the machine's, or `infinity`.
    Tasks,
    /// A percentage of one processor's time, above 0.
    Quota,
    /// A percentage up to 100 %.
    Part,
    /// 1 to 10000; for processors also the word `idle`.
    Weight { idle: bool },
    /// A limit of setrlimit(2): one, or `SOFT:HARD`.
    Rlimit(Unit),
    /// A block device, and bytes per second.
    Bandwidth,
    /// A time span.
    Time,
    /// A boolean.
    Boolean,
    /// A number, 0 or more.
    Unsigned,
    /// A number in a range.
    Range(i64, i64),
    /// Permissions in octal.
    Mode,
    /// Numbers of processors or memory nodes.
    Set,
}

/// The unit of a limit of setrlimit(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Bytes,
    Time,
    Nice,
    Count,
}

/// Directives that take nothing but a boolean in all versions that were examined.
const SWITCHES: [&str; 44] = [
    "AllowIsolate",
    "BlockIOAccounting",
    "CPUAccounting",
    "CPUSchedulingResetOnFork",
    "CoredumpReceive",
    "DefaultDependencies",
    "DynamicUser",
    "GuessMainPID",
    "IOAccounting",
    "IPAccounting",
    "IgnoreOnIsolate",
    "IgnoreSIGPIPE",
    "LockPersonality",
    "MemoryAccounting",
    "MemoryDenyWriteExecute",
    "MemoryZSwapWriteback",
    "NoNewPrivileges",
    "NonBlocking",
    "PermissionsStartOnly",
    "PrivateDevices",
    "PrivateIPC",
    "PrivateMounts",
    "PrivateNetwork",
    "ProtectClock",
    "ProtectKernelLogs",
    "ProtectKernelModules",
    "ProtectKernelTunables",
    "RefuseManualStart",
    "RefuseManualStop",
    "RemainAfterExit",
    "RemoveIPC",
    "RestrictRealtime",
    "RestrictSUIDSGID",
    "RootDirectoryStartOnly",
    "RootEphemeral",
    "SendSIGHUP",
    "SendSIGKILL",
    "StopWhenUnneeded",
    "SurviveFinalKillSignal",
    "SyslogLevelPrefix",
    "TTYReset",
    "TTYVHangup",
    "TTYVTDisallocate",
    "TasksAccounting",
];

/// Why systemd would ignore `key=value`, and how to write such a value; `None` if systemd accepts it, or may.
pub(crate) fn complaint(key: &str, value: &str) -> Option<(&'static str, &'static str)> {
    // An empty value resets the directive.
    let grammar = grammar(key).filter(|_| !value.is_empty())?;
    (!grammar.reads(value)).then(|| grammar.explanation())
}

fn grammar(key: &str) -> Option<Grammar> {
    if SWITCHES.contains(&key) {
        return Some(Grammar::Boolean);
    }
    // `StartupMemoryMax=` and similar directives have the same values as `MemoryMax=`.
    let plain = key.strip_prefix("Startup").unwrap_or(key);
    let plain = plain
        .strip_prefix("DefaultMemory")
        .map_or(plain, |rest| match rest {
            "Low" => "MemoryLow",
            "Min" => "MemoryMin",
            _ => plain,
        });
    Some(match plain {
        "MemoryMin" | "MemoryLow" | "MemorySwapMax" | "MemoryZSwapMax" => Grammar::Memory { zero: true },
        "MemoryHigh" | "MemoryMax" | "MemoryLimit" => Grammar::Memory { zero: false },
        "TasksMax" => Grammar::Tasks,
        "CPUQuota" => Grammar::Quota,
        "ManagedOOMMemoryPressureLimit" => Grammar::Part,
        "CPUWeight" => Grammar::Weight { idle: true },
        "IOWeight" => Grammar::Weight { idle: false },
        "IOReadBandwidthMax" | "IOWriteBandwidthMax" | "IOReadIOPSMax" | "IOWriteIOPSMax" => {
            Grammar::Bandwidth
        }
        "AllowedCPUs" | "AllowedMemoryNodes" => Grammar::Set,
        "StartLimitBurst" | "LogRateLimitBurst" | "RestartSteps" | "FileDescriptorStoreMax" => {
            Grammar::Unsigned
        }
        "Nice" => Grammar::Range(-20, 19),
        "OOMScoreAdjust" => Grammar::Range(-1000, 1000),
        "UMask"
        | "RuntimeDirectoryMode"
        | "StateDirectoryMode"
        | "CacheDirectoryMode"
        | "LogsDirectoryMode"
        | "ConfigurationDirectoryMode" => Grammar::Mode,
        _ if plain.ends_with("Sec") || plain == "StartLimitInterval" => Grammar::Time,
        _ => Grammar::Rlimit(rlimit(plain.strip_prefix("Limit")?)?),
    })
}

fn rlimit(name: &str) -> Option<Unit> {
    Some(match name {
        "FSIZE" | "DATA" | "STACK" | "CORE" | "RSS" | "AS" | "MEMLOCK" | "MSGQUEUE" => Unit::Bytes,
        "CPU" | "RTTIME" => Unit::Time,
        "NICE" => Unit::Nice,
        "NOFILE" | "NPROC" | "LOCKS" | "SIGPENDING" | "RTPRIO" => Unit::Count,
        _ => return None,
    })
}

impl Grammar {
    fn reads(self, value: &str) -> bool {
        match self {
            Grammar::Memory { zero } => {
                let amount = match part(value) {
                    Some(part) => Some(if part <= 100.0 { 1 } else { return false }),
                    None if value == "infinity" => Some(1),
                    None => size(value, &IEC),
                };
                amount.is_some_and(|amount| zero || amount > 0)
            }
            Grammar::Tasks => match part(value) {
                Some(part) => part > 0.0 && part <= 100.0,
                None => value == "infinity" || unsigned(value).is_some_and(|number| number > 0),
            },
            Grammar::Quota => part(value).is_some_and(|part| part > 0.0),
            Grammar::Part => part(value).is_some_and(|part| part <= 100.0),
            Grammar::Weight { idle } => {
                (idle && value == "idle")
                    || unsigned(value).is_some_and(|weight| (1..=10_000).contains(&weight))
            }
            Grammar::Rlimit(unit) => is_rlimit(unit, value),
            Grammar::Bandwidth => value.split_once(' ').is_some_and(|(device, rate)| {
                let rate = rate.trim();
                device.starts_with('/')
                    && (rate == "infinity" || size(rate, &SI).is_some_and(|rate| rate > 0))
            }),
            Grammar::Time => is_time(value),
            Grammar::Boolean => is_boolean(value),
            Grammar::Unsigned => unsigned(value).is_some(),
            Grammar::Range(from, to) => value
                .parse::<i64>()
                .is_ok_and(|number| (from..=to).contains(&number)),
            Grammar::Mode => u32::from_str_radix(value, 8).is_ok_and(|mode| mode <= 0o7777),
            Grammar::Set => is_set(value),
        }
    }

    /// What is wrong with a value, and how it should be written.
    fn explanation(self) -> (&'static str, &'static str) {
        match self {
            Grammar::Memory { .. } => (
                "systemd reads no amount of memory in it, and would set no limit",
                "write it as 512M, 1.5G, 40% or infinity: K, M, G and T in capitals, and no B after them",
            ),
            Grammar::Tasks => (
                "systemd reads no number of tasks in it, and would set no limit",
                "write it as 200, 10% or infinity",
            ),
            Grammar::Quota => (
                "systemd reads no part of a processor in it, and would set no limit",
                "write it as 50% or, for two processors, 200%",
            ),
            Grammar::Part => ("systemd reads no percentage in it", "write it as 60%"),
            Grammar::Weight { .. } => (
                "systemd reads no weight in it",
                "a weight is a number from 1 to 10000; 100 is what everything has by itself",
            ),
            Grammar::Rlimit(Unit::Bytes) => (
                "systemd reads no limit of bytes in it",
                "write it as 64M, infinity, or SOFT:HARD",
            ),
            Grammar::Rlimit(Unit::Time) => (
                "systemd reads no limit of time in it",
                "write it as 10min, infinity, or SOFT:HARD",
            ),
            Grammar::Rlimit(Unit::Nice | Unit::Count) => (
                "systemd reads no limit in it",
                "write a number, infinity, or SOFT:HARD",
            ),
            Grammar::Bandwidth => (
                "systemd reads no device with a rate in it, and would set no limit",
                "write it as /dev/sda 5M",
            ),
            Grammar::Time => (
                "systemd reads no time in it",
                "write it as 20s, 5min, 1h 30min or infinity",
            ),
            Grammar::Boolean => ("systemd reads no switch in it", "write yes or no"),
            Grammar::Unsigned => ("systemd reads no number in it", "write a number, 0 or more"),
            Grammar::Range(..) => (
                "systemd reads no number of the range in it",
                "see systemd.exec(5) for the range",
            ),
            Grammar::Mode => ("systemd reads no mode in it", "write octal digits, as 0027"),
            Grammar::Set => ("systemd reads no list of numbers in it", "write it as 0-3,8"),
        }
    }
}

fn is_rlimit(unit: Unit, value: &str) -> bool {
    let one = |text: &str| -> Option<u64> {
        match (text, unit) {
            ("infinity", _) => Some(u64::MAX),
            (_, Unit::Bytes) => size(text, &IEC),
            (_, Unit::Time) => is_time(text).then_some(0),
            (_, Unit::Nice) => text.parse::<i64>().ok().map(|_| 0),
            (_, Unit::Count) => unsigned(text),
        }
    };
    match value.split_once(':') {
        None => one(value).is_some(),
        Some((soft, hard)) => match (one(soft), one(hard)) {
            (Some(soft), Some(hard)) => soft <= hard,
            _ => false,
        },
    }
}

fn is_set(value: &str) -> bool {
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_range = |word: &str| {
        word.split_once('-')
            .map_or_else(|| is_number(word), |(from, to)| is_number(from) && is_number(to))
    };
    let mut words = value.split([',', ' ', '\t']).filter(|word| !word.is_empty());
    words.all(is_range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_systemd_would_ignore_is_told() {
        const CASES: &[(&str, &str, bool)] = &[
            ("MemoryMax", "100MB", false),
            ("MemoryMax", "20Q", false),
            ("MemoryMax", "1.5G", true),
            ("MemoryMax", "1G 500M", true),
            ("MemoryMax", "500M 1G", false),
            ("MemoryMax", "1g", false),
            ("MemoryMax", "", true),
            ("MemoryMax", "0", false),
            ("MemoryMin", "0", true),
            ("StartupMemoryMax", "lots", false),
            ("TasksMax", "1k", false),
            ("CPUQuota", "50", false),
            ("CPUQuota", "250%", true),
            ("CPUWeight", "idle", true),
            ("IOWeight", "idle", false),
            ("LimitNOFILE", "2048:1024", false),
            ("LimitAS", "1GB", false),
            ("LimitCPU", "10min", true),
            ("TimeoutStartSec", "5 parsecs", false),
            ("TimeoutStartSec", "1h30m", true),
            ("ProtectClock", "maybe", false),
            ("Nice", "20", false),
            ("UMask", "999", false),
            ("AllowedCPUs", "all", false),
            ("IOReadBandwidthMax", "/dev/sda 5MB", false),
            ("SomethingNewMax", "whatever", true),
        ];
        for (key, value, is_read) in CASES {
            assert_eq!(complaint(key, value).is_none(), *is_read, "{key}={value}");
        }
    }
}
