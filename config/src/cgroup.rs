//! `cgroup-opt = FILE=VALUE`: what it writes into a control group, as a directive of the unit (systemd.resource-control(5)).
//! The names are those of both versions of control groups; the numbers of the first are converted as systemd does it.

use crate::entries::Entry;

/// The period of `cpu.cfs_quota_us` where none is given, in microseconds.
const PERIOD: u64 = 100_000;

/// The directive and its value for one `FILE=VALUE`, given all of them.
///
/// # Errors
/// Why there is none.
pub(crate) fn directive(option: &[u8], all: &[Vec<u8>]) -> Result<(&'static str, String), &'static str> {
    let (file, value) = split(option).ok_or("it is not FILE=VALUE")?;
    let number = || value.parse::<u64>().map_err(|_| "its value is no number");
    match file {
        "memory.limit_in_bytes" | "memory.max" => Ok(("MemoryMax", limit(value))),
        "memory.high" => Ok(("MemoryHigh", limit(value))),
        "memory.low" => Ok(("MemoryLow", limit(value))),
        "memory.swap.max" => Ok(("MemorySwapMax", limit(value))),
        "pids.max" => Ok(("TasksMax", limit(value))),
        "cpu.shares" => Ok(("CPUWeight", weight(number()?, 1024))),
        "cpu.weight" => Ok(("CPUWeight", value.to_owned())),
        "cpu.cfs_quota_us" => {
            let quota = number()?.saturating_mul(100) / period(all).max(1);
            Ok(("CPUQuota", format!("{}%", quota.max(1))))
        }
        "cpu.cfs_period_us" => Ok(("CPUQuotaPeriodSec", format!("{}us", number()?))),
        "cpuset.cpus" => Ok(("AllowedCPUs", value.to_owned())),
        "cpuset.mems" => Ok(("AllowedMemoryNodes", value.to_owned())),
        "blkio.weight" => Ok(("IOWeight", weight(number()?, 500))),
        "io.weight" => Ok(("IOWeight", value.trim_start_matches("default ").to_owned())),
        _ => Err("systemd has no directive for it"),
    }
}

/// The values of the `cgroup-opt` lines of `entries`.
pub(crate) fn options(entries: &[Entry]) -> Vec<Vec<u8>> {
    let lines = entries.iter().filter(|entry| entry.key == b"cgroup-opt");
    lines.filter_map(|entry| entry.value.clone()).collect()
}

fn split(option: &[u8]) -> Option<(&str, &str)> {
    let (file, value) = std::str::from_utf8(option).ok()?.split_once('=')?;
    let value = value.trim();
    let is_plain = !value.is_empty() && !value.contains(char::is_control) && !value.contains(['%', '\\']);
    is_plain.then_some((file.trim(), value))
}

fn limit(value: &str) -> String {
    match value {
        "-1" | "max" => "infinity".to_owned(),
        _ => value.to_owned(),
    }
}

/// A share in proportion to the group's default, on systemd's scale of 1 to 10000 with the default 100.
fn weight(shares: u64, default: u64) -> String {
    (shares.saturating_mul(100) / default)
        .clamp(1, 10_000)
        .to_string()
}

fn period(all: &[Vec<u8>]) -> u64 {
    let periods = all.iter().filter_map(|option| split(option));
    let given = periods.rev().find(|(file, _)| *file == "cpu.cfs_period_us");
    given.and_then(|(_, value)| value.parse().ok()).unwrap_or(PERIOD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_both_versions_call_a_limit_is_one_directive() {
        const CASES: &[(&str, &str)] = &[
            ("memory.limit_in_bytes=268435456", "MemoryMax=268435456"),
            ("memory.max=1G", "MemoryMax=1G"),
            ("memory.limit_in_bytes=-1", "MemoryMax=infinity"),
            ("cpu.shares=512", "CPUWeight=50"),
            ("cpu.shares=1", "CPUWeight=1"),
            ("cpu.cfs_quota_us=50000", "CPUQuota=50%"),
            ("cpuset.cpus=0-1", "AllowedCPUs=0-1"),
            ("blkio.weight=250", "IOWeight=50"),
            ("pids.max=max", "TasksMax=infinity"),
        ];
        for (option, expected) in CASES {
            let (key, value) = directive(option.as_bytes(), &[]).unwrap();
            assert_eq!(format!("{key}={value}"), *expected);
        }
    }

    #[test]
    fn a_quota_is_a_part_of_its_period() {
        let all = [b"cpu.cfs_period_us=200000".to_vec()];
        assert_eq!(
            directive(b"cpu.cfs_quota_us=100000", &all),
            Ok(("CPUQuota", "50%".into()))
        );
    }

    #[test]
    fn nothing_that_is_no_limit_gets_into_a_unit() {
        for option in [
            &b"devices.deny=a"[..],
            b"memory.max",
            b"memory.max=",
            b"memory.max=1\nUser=0",
            b"cpuset.cpus=%n",
            b"cpu.shares=many",
        ] {
            assert!(directive(option, &[]).is_err(), "{}", option.escape_ascii());
        }
    }
}
