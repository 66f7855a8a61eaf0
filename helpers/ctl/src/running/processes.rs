//! The processes of a vassal, with their roles.

use std::path::Path;
use vassal_escape::printable;

/// The longest command line that is shown.
const COMMAND_LIMIT: usize = 100;

/// The role of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// vassal-watchdog, the unit's main process.
    Watchdog,
    /// The app's first process.
    App,
    /// A process that the app has started.
    Worker,
    /// A FUSE daemon.
    Daemon,
    /// Another process, such as a hook's, or one whose parent has ended.
    Other,
}

impl Role {
    /// The role's word.
    pub fn word(self) -> &'static str {
        match self {
            Role::Watchdog => "watchdog",
            Role::App => "app",
            Role::Worker => "worker",
            Role::Daemon => "daemon",
            Role::Other => "other",
        }
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number on the host.
    pub pid: u32,
    /// Its number in the vassal's PID namespace.
    pub inner: u64,
    /// The number of its parent on the host.
    parent: u32,
    /// Its real user id and group id.
    pub owner: (u32, u32),
    /// Its other groups.
    pub groups: Vec<u32>,
    /// Its role.
    pub role: Role,
    /// Its resident bytes.
    pub memory: u64,
    /// Its command line.
    pub command: String,
}

/// The processes `pids` of a vassal. `main` is the unit's main process on the host; `app` and `daemons` are numbers in
/// the vassal's PID namespace. Processes that have ended meanwhile are left out.
pub fn of(root: &Path, pids: &[u32], main: Option<u64>, app: Option<u64>, daemons: &[u64]) -> Vec<Process> {
    let proc = root.join("proc");
    let mut found: Vec<_> = pids.iter().filter_map(|pid| read(&proc, *pid)).collect();
    for process in &mut found {
        process.role = match process.inner {
            _ if Some(process.pid.into()) == main => Role::Watchdog,
            inner if Some(inner) == app => Role::App,
            inner if daemons.contains(&inner) => Role::Daemon,
            _ => Role::Other,
        };
    }
    loop {
        let apps: Vec<u32> = found
            .iter()
            .filter(|each| matches!(each.role, Role::App | Role::Worker))
            .map(|each| each.pid)
            .collect();
        let is_new = |each: &&mut Process| each.role == Role::Other && apps.contains(&each.parent);
        let mut children: Vec<_> = found.iter_mut().filter(is_new).collect();
        if children.is_empty() {
            return found;
        }
        children.iter_mut().for_each(|child| child.role = Role::Worker);
    }
}

fn read(proc: &Path, pid: u32) -> Option<Process> {
    let place = proc.join(pid.to_string());
    let status = std::fs::read_to_string(place.join("status")).ok()?;
    let field = |name: &str| {
        let mut lines = status.lines();
        lines
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let first = |name: &str| field(name)?.split_whitespace().next();
    let words = std::fs::read(place.join("cmdline")).unwrap_or_default();
    let words: Vec<u8> = words
        .iter()
        .map(|byte| if *byte == 0 { b' ' } else { *byte })
        .collect();
    let command = match words.trim_ascii() {
        [] => format!("[{}]", printable(field("Name")?.as_bytes())),
        words => printable(&words[..words.len().min(COMMAND_LIMIT)]),
    };
    Some(Process {
        pid,
        // The last number belongs to the innermost PID namespace.
        inner: field("NSpid")?.split_whitespace().last()?.parse().ok()?,
        parent: first("PPid")?.parse().ok()?,
        owner: (first("Uid")?.parse().ok()?, first("Gid")?.parse().ok()?),
        groups: field("Groups")?
            .split_whitespace()
            .filter_map(|group| group.parse().ok())
            .collect(),
        role: Role::Other,
        memory: first("VmRSS")
            .and_then(|kib| kib.parse::<u64>().ok())
            .unwrap_or(0)
            * 1024,
        command,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_its_role() {
        let root = tempfile::tempdir().unwrap();
        let processes = [
            (10, 1, 1, "vassal-watchdog"),
            (20, 2, 10, "uwsgi"),
            (21, 5, 20, "uwsgi"),
            (22, 6, 21, "cgi"),
            (30, 3, 10, "fuse-zip"),
            (40, 9, 10, "sleep"),
        ];
        for (pid, inner, parent, name) in processes {
            let place = root.path().join(format!("proc/{pid}"));
            std::fs::create_dir_all(&place).unwrap();
            let status = format!(
                "Name:\t{name}\nPPid:\t{parent}\nUid:\t7\t7\t7\t7\nGid:\t8\t8\t8\t8\nGroups:\t8 60 \nNSpid:\t{pid}\t{inner}\nVmRSS:\t  4 kB\n"
            );
            std::fs::write(place.join("status"), status).unwrap();
            std::fs::write(place.join("cmdline"), format!("{name}\0-x\0")).unwrap();
        }
        let pids: Vec<_> = processes.iter().map(|(pid, ..)| *pid).chain([99]).collect();
        let found = of(root.path(), &pids, Some(10), Some(2), &[3]);
        let roles: Vec<_> = found.iter().map(|each| each.role.word()).collect();
        assert_eq!(roles, ["watchdog", "app", "worker", "worker", "daemon", "other"]);
        let app = &found[1];
        assert_eq!(
            (app.owner, &*app.groups, app.memory, app.command.as_str()),
            ((7, 8), &[8, 60][..], 4096, "uwsgi -x")
        );
    }
}
