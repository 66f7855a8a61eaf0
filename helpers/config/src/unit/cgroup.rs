//! Turns `cgroup-opt = FILE=VALUE` into a directive of the unit with the same effect (systemd.resource-control(5)).
//! Files of both versions of cgroups are known; numbers of version 1 are converted as systemd does it.

use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;

/// systemd's word for no limit.
const INFINITY: &str = "infinity";
/// The default period for `cpu.cfs_quota_us`, in microseconds.
const PERIOD: u64 = 100_000;

/// The directive and its value for one `FILE=VALUE`; `all` are all such options, some of which belong together.
///
/// # Errors
/// Why there is no such directive.
pub(crate) fn directive(option: &[u8], all: &[Vec<u8>]) -> Result<(&'static str, String), &'static str> {
    let (file, value) = split(option).ok_or("it is not FILE=VALUE")?;
    let number = || value.parse::<u64>().map_err(|_| "its value is no number");
    match file {
        "memory.limit_in_bytes" | "memory.max" => Ok(("MemoryMax", size(value)?)),
        "memory.high" => Ok(("MemoryHigh", size(value)?)),
        "memory.low" => Ok(("MemoryLow", size(value)?)),
        "memory.swap.max" => Ok(("MemorySwapMax", size(value)?)),
        "pids.max" if value == "max" => Ok(("TasksMax", INFINITY.to_owned())),
        "pids.max" => Ok(("TasksMax", number()?.to_string())),
        "cpu.shares" => Ok(("CPUWeight", weight(number()?, 1024))),
        "cpu.weight" => Ok(("CPUWeight", given_weight(value)?)),
        "cpu.cfs_quota_us" => {
            let quota = number()?.saturating_mul(100) / period(all).max(1);
            Ok(("CPUQuota", format!("{}%", quota.max(1))))
        }
        "cpu.cfs_period_us" => Ok(("CPUQuotaPeriodSec", format!("{}us", number()?))),
        "cpuset.cpus" => Ok(("AllowedCPUs", ranges(value)?)),
        "cpuset.mems" => Ok(("AllowedMemoryNodes", ranges(value)?)),
        "blkio.weight" => Ok(("IOWeight", weight(number()?, 500))),
        "io.weight" => Ok((
            "IOWeight",
            given_weight(value.strip_prefix("default ").unwrap_or(value))?,
        )),
        _ => Err("systemd has no directive for it"),
    }
}

/// The values of the `cgroup-opt` lines of `entries`.
pub(crate) fn options(entries: &[Entry]) -> Vec<Vec<u8>> {
    let lines = entries.iter().filter(|entry| entry.is(Id::CgroupOpt));
    lines.filter_map(|entry| entry.value.clone()).collect()
}

fn split(option: &[u8]) -> Option<(&str, &str)> {
    let (file, value) = std::str::from_utf8(option).ok()?.split_once('=')?;
    let value = value.trim();
    let is_plain = !value.is_empty() && !value.contains(char::is_control) && !value.contains(['%', '\\']);
    is_plain.then_some((file.trim(), value))
}

/// A number of bytes as the kernel reads it: with a suffix of either case, of which systemd accepts only the upper one.
fn size(value: &str) -> Result<String, &'static str> {
    const SUFFIXES: &str = "KMGTPE";
    if ["-1", "max"].contains(&value) {
        return Ok(INFINITY.to_owned());
    }
    let upper = value.to_ascii_uppercase();
    let digits = upper.strip_suffix(|last| SUFFIXES.contains(last));
    match digits.unwrap_or(&upper).parse::<u64>() {
        Ok(_) => Ok(upper),
        Err(_) => Err("its value is no number of bytes"),
    }
}

/// A weight on systemd's scale.
fn given_weight(value: &str) -> Result<String, &'static str> {
    match value.parse::<u64>() {
        Ok(weight @ 1..=10_000) => Ok(weight.to_string()),
        _ => Err("its value is no weight from 1 to 10000"),
    }
}

/// Numbers and ranges such as `0-3,8`.
fn ranges(value: &str) -> Result<String, &'static str> {
    let is_number = |text: &str| text.parse::<u32>().is_ok();
    let is_range = |text: &str| {
        text.split_once('-')
            .map_or_else(|| is_number(text), |(from, to)| is_number(from) && is_number(to))
    };
    match value.split(',').all(is_range) {
        true => Ok(value.to_owned()),
        false => Err("its value is no list such as 0-3,8"),
    }
}

/// Converts a share, whose default is `default`, to systemd's scale from 1 to 10000 with the default 100.
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
            ("memory.max=256m", "MemoryMax=256M"),
            ("io.weight=default 50", "IOWeight=50"),
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
            b"memory.max=256mb",
            b"memory.max=lots",
            b"pids.max=-1",
            b"cpu.weight=0",
            b"io.weight=8:0 50",
            b"cpuset.cpus=all",
            b"cpuset.cpus=0-3:1/2",
        ] {
            assert!(directive(option, &[]).is_err(), "{}", option.escape_ascii());
        }
    }
}
