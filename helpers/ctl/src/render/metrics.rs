//! Metrics in the text format of Prometheus. It is also OpenMetrics with one exception: the name of a counter's family
//! includes `_total`, as programs that read only the older format expect; Prometheus accepts that as OpenMetrics, too.

use super::vassal_json::seconds;
use crate::running::fleet::Vassal;
use crate::running::hits::Hits;
use crate::running::record::Mount;
use crate::state::State;
use std::collections::BTreeSet;
use std::fmt::Write;

/// The type of a family of metrics.
struct Family {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    let kind = "gauge";
    Family { name, kind, help }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    let kind = "counter";
    Family { name, kind, help }
}

/// The format, which decides the names of counters' families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The text format of Prometheus.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

/// All metrics of `vassals`, and the number of problems in collecting them.
pub fn metrics(vassals: &[Vassal], problems: usize, form: Form) -> String {
    let text = String::with_capacity(4096 + vassals.len() * 2048);
    let mut page = Page { text, form };
    let version = gauge("vassal_build_info", "The version of vassalctl.");
    page.family(&version, [("version", env!("CARGO_PKG_VERSION"), 1.0)]);
    let odd = gauge(
        "vassal_metrics_problems",
        "What could not be found out for these metrics.",
    );
    page.alone(&odd, problems as f64);
    let count = gauge("vassal_vassals", "How many vassals are in each state.");
    let of_state = |state| vassals.iter().filter(|vassal| vassal.state == state).count() as f64;
    page.family(
        &count,
        State::WORDS.map(|(state, word)| ("state", word, of_state(state))),
    );
    of_state_of(&mut page, vassals);
    of_mounts(&mut page, vassals);
    of_checks(&mut page, vassals);
    of_memory(&mut page, vassals);
    of_processors(&mut page, vassals);
    of_tasks(&mut page, vassals);
    of_disks(&mut page, vassals);
    of_limits(&mut page, vassals);
    page.text += "# EOF\n";
    page.text
}

fn of_state_of(page: &mut Page, vassals: &[Vassal]) {
    let up = gauge(
        "vassal_up",
        "Whether the vassal serves, and each of its mountpoints has answered.",
    );
    page.each(&up, vassals, |vassal| Some(is(vassal.health.word() == "healthy")));
    let wanted = gauge(
        "vassal_wanted",
        "Whether the vassal is meant to serve: it is not stopped, masked or in maintenance.",
    );
    page.each(&wanted, vassals, |vassal| Some(is(!vassal.state.is_off())));
    let state = gauge("vassal_state", "The state of the vassal: 1 for the one it is in.");
    page.labelled(&state, vassals, "state", |vassal| {
        vec![(vassal.state.word(), 1.0)]
    });
    let mark = gauge(
        "vassal_mark",
        "What an administrator should know of the vassal, 1 for each mark it has.",
    );
    page.labelled(&mark, vassals, "mark", |vassal| {
        vassal.marks.iter().map(|mark| (mark.word(), 1.0)).collect()
    });
    let since = gauge(
        "vassal_state_since_timestamp_seconds",
        "Since when the vassal is in its state.",
    );
    page.each(&since, vassals, |vassal| vassal.record.since_usec.map(seconds));
    let restarts = counter(
        "vassal_restarts_total",
        "Restarts of the vassal since it was started.",
    );
    page.each(&restarts, vassals, |vassal| Some(vassal.record.restarts as f64));
    let next = gauge(
        "vassal_next_attempt_timestamp_seconds",
        "When a vassal that waits is tried again.",
    );
    page.each(&next, vassals, |vassal| {
        vassal.record.next_attempt_usec.map(seconds)
    });
}

fn of_mounts(page: &mut Page, vassals: &[Vassal]) {
    let healthy = gauge(
        "vassal_mount_healthy",
        "Whether the mountpoint has answered, and is not lost.",
    );
    page.mounts(&healthy, vassals, |mount| Some(is(mount.verdict == "healthy")));
    let answered = gauge(
        "vassal_mount_last_answer_timestamp_seconds",
        "When the mountpoint last answered a probe.",
    );
    page.mounts(&answered, vassals, |mount| mount.answered_usec.map(seconds));
    let took = gauge(
        "vassal_mount_probe_duration_seconds",
        "How long the mountpoint took for its last answer.",
    );
    page.mounts(&took, vassals, |mount| mount.took_usec.map(seconds));
    let deadline = gauge(
        "vassal_mount_deadline_seconds",
        "How long the mountpoint may take for an answer.",
    );
    page.mounts(&deadline, vassals, |mount| mount.deadline_usec.map(seconds));
}

fn of_checks(page: &mut Page, vassals: &[Vassal]) {
    let check = |vassal: &Vassal| vassal.record.check.clone();
    let healthy = gauge(
        "vassal_app_healthy",
        "Whether the app has answered the last question about its health well.",
    );
    page.each(&healthy, vassals, |vassal| {
        check(vassal).map(|check| is(check.verdict == "healthy"))
    });
    let failures = gauge(
        "vassal_app_check_failures",
        "How many questions in a row the app has not answered well.",
    );
    page.each(&failures, vassals, |vassal| {
        check(vassal).map(|check| check.failures as f64)
    });
    let answered = gauge(
        "vassal_app_last_answer_timestamp_seconds",
        "When the app last answered well.",
    );
    page.each(&answered, vassals, |vassal| {
        check(vassal)?.answered_usec.map(seconds)
    });
    let took = gauge(
        "vassal_app_check_duration_seconds",
        "How long the app took for its last good answer.",
    );
    page.each(&took, vassals, |vassal| check(vassal)?.took_usec.map(seconds));
    let deadline = gauge(
        "vassal_app_check_deadline_seconds",
        "How long the app may take for an answer.",
    );
    page.each(&deadline, vassals, |vassal| {
        check(vassal)?.deadline_usec.map(seconds)
    });
}

fn of_memory(page: &mut Page, vassals: &[Vassal]) {
    let memory = gauge(
        "vassal_memory_bytes",
        "Memory of the vassal and its FUSE daemons.",
    );
    page.each(&memory, vassals, |vassal| number(vassal.usage.memory));
    let most = gauge("vassal_memory_limit_bytes", "MemoryMax= of the vassal.");
    page.each(&most, vassals, |vassal| number(vassal.limits.memory_max));
    let high = gauge("vassal_memory_high_bytes", "MemoryHigh= of the vassal.");
    page.each(&high, vassals, |vassal| number(vassal.limits.memory_high));
}

fn of_processors(page: &mut Page, vassals: &[Vassal]) {
    let cpu = counter(
        "vassal_cpu_seconds_total",
        "Time of processors that the vassal and its FUSE daemons have used.",
    );
    page.each(&cpu, vassals, |vassal| vassal.usage.cpu_usec.map(seconds));
    let quota = gauge(
        "vassal_cpu_limit_processors",
        "CPUQuota= of the vassal, in processors.",
    );
    page.each(&quota, vassals, |vassal| vassal.limits.cpus);
}

fn of_tasks(page: &mut Page, vassals: &[Vassal]) {
    let tasks = gauge("vassal_tasks", "Processes and threads of the vassal.");
    page.each(&tasks, vassals, |vassal| number(vassal.usage.tasks));
    let most = gauge("vassal_tasks_limit", "TasksMax= of the vassal.");
    page.each(&most, vassals, |vassal| number(vassal.limits.tasks));
}

fn of_disks(page: &mut Page, vassals: &[Vassal]) {
    let read = counter(
        "vassal_io_read_bytes_total",
        "Bytes that the vassal has read from disks.",
    );
    page.each(&read, vassals, |vassal| {
        number(vassal.usage.io.map(|(read, _)| read))
    });
    let written = counter(
        "vassal_io_written_bytes_total",
        "Bytes that the vassal has written to disks.",
    );
    page.each(&written, vassals, |vassal| {
        number(vassal.usage.io.map(|(_, written)| written))
    });
    let waited = counter(
        "vassal_io_waited_seconds_total",
        "For how long the vassal has waited for disks, at a limit or without one.",
    );
    page.each(&waited, vassals, |vassal| {
        vassal.usage.io_waited_usec.map(seconds)
    });
    let read = gauge(
        "vassal_io_read_limit_bytes_per_second",
        "IOReadBandwidthMax= of the vassal, of the device that has the least.",
    );
    page.each(&read, vassals, |vassal| number(vassal.limits.io_read));
    let written = gauge(
        "vassal_io_written_limit_bytes_per_second",
        "IOWriteBandwidthMax= of the vassal, of the device that has the least.",
    );
    page.each(&written, vassals, |vassal| number(vassal.limits.io_write));
}

fn of_limits(page: &mut Page, vassals: &[Vassal]) {
    let met = |hits: &Hits| {
        let limits = [
            ("memory_max", hits.memory_max),
            ("memory_high", hits.memory_high),
            ("oom_kill", hits.oom_kills),
            ("cpu", hits.cpu_throttled),
            ("tasks", hits.tasks),
        ];
        let met = limits.into_iter();
        met.filter_map(|(limit, hit)| Some((limit, hit?)))
            .collect::<Vec<_>>()
    };
    let hits = counter(
        "vassal_limit_hits_total",
        "How often the vassal has met a limit since it was started.",
    );
    page.labelled(&hits, vassals, "limit", |vassal| {
        let met = met(&vassal.hits).into_iter();
        met.map(|(limit, hit)| (limit, hit.count as f64)).collect()
    });
    let last = gauge(
        "vassal_limit_last_hit_timestamp_seconds",
        "When the vassal was last seen to meet a limit.",
    );
    page.labelled(&last, vassals, "limit", |vassal| {
        let met = met(&vassal.hits).into_iter();
        met.filter_map(|(limit, hit)| Some((limit, seconds(hit.last_usec?))))
            .collect()
    });
    let throttled = counter(
        "vassal_cpu_throttled_seconds_total",
        "For how long CPUQuota= has kept the vassal waiting.",
    );
    page.each(&throttled, vassals, |vassal| {
        vassal.hits.cpu_throttled_usec.map(seconds)
    });
}

fn number(value: Option<u64>) -> Option<f64> {
    value.map(|value| value as f64)
}

fn is(fact: bool) -> f64 {
    f64::from(u8::from(fact))
}

/// The mounts without those that an earlier check watches already: two paths may lead to one mount, and a series may be
/// there once only.
fn first_of_each(mounts: &[Mount]) -> impl Iterator<Item = &Mount> {
    let key = |mount: &Mount| (mount.path.clone(), mount.fstype.clone());
    let mut known = BTreeSet::new();
    mounts.iter().filter(move |mount| known.insert(key(mount)))
}

/// The text of the metrics, which the format groups by family.
struct Page {
    text: String,
    form: Form,
}

impl Page {
    fn head(&mut self, family: &Family) {
        let Family { name, kind, help } = family;
        let name = match self.form {
            Form::OpenMetrics if *kind == "counter" => name.strip_suffix("_total").unwrap_or(name),
            Form::OpenMetrics | Form::Prometheus => name,
        };
        self.text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn alone(&mut self, family: &Family, value: f64) {
        self.head(family);
        self.text += &format!("{} {value}\n", family.name);
    }

    fn family<const N: usize>(&mut self, family: &Family, values: [(&str, &str, f64); N]) {
        self.head(family);
        for (label, word, value) in values {
            self.sample(family, &[(label, word)], value);
        }
    }

    fn each(&mut self, family: &Family, vassals: &[Vassal], value: impl Fn(&Vassal) -> Option<f64>) {
        self.head(family);
        for vassal in vassals {
            if let Some(value) = value(vassal) {
                self.sample(family, &[("vassal", &vassal.name)], value);
            }
        }
    }

    fn labelled(
        &mut self,
        family: &Family,
        vassals: &[Vassal],
        label: &str,
        values: impl Fn(&Vassal) -> Vec<(&'static str, f64)>,
    ) {
        self.head(family);
        for vassal in vassals {
            for (word, value) in values(vassal) {
                self.sample(family, &[("vassal", &vassal.name), (label, word)], value);
            }
        }
    }

    fn mounts(&mut self, family: &Family, vassals: &[Vassal], value: impl Fn(&Mount) -> Option<f64>) {
        self.head(family);
        for vassal in vassals {
            for mount in first_of_each(&vassal.record.mounts) {
                let labels = [
                    ("vassal", vassal.name.as_str()),
                    ("mountpoint", &mount.path),
                    ("fstype", &mount.fstype),
                ];
                if let Some(value) = value(mount) {
                    self.sample(family, &labels, value);
                }
            }
        }
    }

    fn sample(&mut self, family: &Family, labels: &[(&str, &str)], value: f64) {
        self.text += family.name;
        for (at, (label, word)) in labels.iter().enumerate() {
            self.text.push(if at == 0 { '{' } else { ',' });
            self.text += label;
            self.text += "=\"";
            for character in word.chars() {
                match character {
                    '\\' | '"' => self.text.extend(['\\', character]),
                    '\n' => self.text += "\\n",
                    character => self.text.push(character),
                }
            }
            self.text.push('"');
        }
        // Writing to a String cannot fail.
        writeln!(self.text, "}} {value}").ok();
    }
}
