//! The table of the filesystems that were tried. Pure.

use std::time::Duration;

use crate::filesystems::measure::{Loss, Seen, Tried, server};
use crate::filesystems::recipes::By;

const HEADER: &str = "\
| filesystem | version | type | first read | longest call | daemon killed | daemon stopped | deadline |
|---|---|---|---:|---:|---|---|---|
";
/// How many times its longest call a deadline should leave to a filesystem, on a machine that is busier than this one.
const MARGIN: u32 = 10;

/// What was seen on a suite, as Markdown: what was mounted in a table, and below it what was not, with the reason.
pub fn table(tried: &[Tried]) -> String {
    let rows = tried
        .iter()
        .filter_map(|each| Some(row(each, each.seen.as_ref().ok()?)));
    let absent = tried
        .iter()
        .filter_map(|each| Some((each, each.seen.as_ref().err()?)));
    let absent: String = absent
        .map(|(each, why)| format!("- {} {}: {}\n", each.recipe.name, each.version, plain(why)))
        .collect();
    let absent = match absent.as_str() {
        "" => absent,
        _ => format!("\nCould not be mounted:\n\n{absent}"),
    };
    format!("{HEADER}{}{absent}", rows.collect::<String>())
}

fn row(tried: &Tried, seen: &Seen) -> String {
    let with = match (tried.recipe.by, server(tried.recipe)) {
        (By::User, None) => String::new(),
        (By::Root, None) => " (root)".into(),
        (By::User, Some(server)) => format!(" ({server})"),
        (By::Root, Some(server)) => format!(" ({server}, root)"),
    };
    let size = match seen.size >> 20 {
        0 => format!("{} B", seen.size),
        mebibytes => format!("{mebibytes} MiB"),
    };
    format!(
        "| {}{with} | {} | {} | {size}: {} | {} | {} | {}{} | {} |\n",
        tried.recipe.name,
        tried.version,
        seen.fstype,
        time(seen.read),
        time(seen.longest),
        loss(&seen.killed),
        loss(&seen.stopped),
        if seen.is_gone {
            ""
        } else {
            "; a stop leaves its daemon"
        },
        advice(seen),
    )
}

fn loss(loss: &Result<Loss, String>) -> String {
    match loss {
        Ok(Loss { verdict, served }) => format!("{}; serves after {}", plain(verdict), time(*served)),
        Err(why) => plain(why),
    }
}

/// The default, unless the filesystem may need longer for one call.
fn advice(seen: &Seen) -> String {
    let needed = seen.longest * MARGIN;
    match needed > seen.deadline {
        true => format!("{} s", needed.as_secs() + 1),
        false => format!("default ({} s)", seen.deadline.as_secs_f64()),
    }
}

fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 0.01 => format!("{:.1} ms", seconds * 1e3),
        seconds if seconds < 1.0 => format!("{:.0} ms", seconds * 1e3),
        seconds => format!("{seconds:.2} s"),
    }
}

/// Text that ends no cell.
fn plain(text: &str) -> String {
    text.replace('|', "/").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::table;
    use crate::filesystems::measure::{Loss, Seen, Tried};
    use crate::filesystems::recipes::RECIPES;
    use std::time::Duration;

    #[test]
    fn what_was_not_mounted_is_no_row_and_slow_calls_ask_for_a_longer_deadline() {
        let loss = |verdict: &str| Loss {
            verdict: verdict.into(),
            served: Duration::from_millis(90),
        };
        let seen = |longest| Seen {
            fstype: "fuse.x".into(),
            deadline: Duration::from_secs(3),
            read: Duration::from_secs(1),
            longest: Duration::from_millis(longest),
            size: 1 << 21,
            killed: Ok(loss("dead (ENOTCONN)")),
            stopped: Ok(loss("hung (statfs)")),
            is_gone: true,
        };
        let tried = |seen| Tried {
            recipe: &RECIPES[0],
            version: "1".into(),
            seen,
        };
        let text = table(&[
            tried(Ok(seen(2))),
            tried(Ok(seen(400))),
            tried(Err("no | way".into())),
        ]);
        let rows: Vec<_> = text.lines().skip(2).collect();
        let begin = "| fuse-zip | 1 | fuse.x | 2 MiB: 1.00 s |";
        let losses = "| dead (ENOTCONN); serves after 90 ms | hung (statfs); serves after 90 ms |";
        assert_eq!(rows[0], format!("{begin} 2.0 ms {losses} default (3 s) |"));
        assert_eq!(rows[1], format!("{begin} 400 ms {losses} 5 s |"));
        assert_eq!(rows[5], "- fuse-zip 1: no / way");
    }
}
