//! What becomes of a vassal on each filesystem: the first read of a file, the daemon's death, and a daemon that hangs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use vassal_tests::{AS_USER001, Boot, Failure, Layer, Machine, Owner, Suite, installed};

use crate::filesystems::recipes::{By, RECIPES, Recipe, Server};

/// The app.
const READER: &str = include_str!("reader.py");
/// Where everything is that is tried.
const PLACE: &str = "/srv/tried";
const UNIT: &str = "vassal@tried.service";
/// Much more than any of them needs.
const LIMIT: Duration = Duration::from_secs(60);
/// A vassal that has served for that long has settled (vassal-health(7)).
const SETTLED: Duration = Duration::from_millis(1500);
/// Between two looks at the record.
const LOOK: Duration = Duration::from_millis(10);

/// What was seen of a filesystem.
#[derive(Clone, Debug)]
pub struct Tried {
    /// Which it is.
    pub recipe: &'static Recipe,
    /// Its package's version.
    pub version: String,
    /// What came of it; or why it was not mounted.
    pub seen: Result<Seen, String>,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The type that the kernel shows.
    pub fstype: String,
    /// The deadline that vassal takes by itself.
    pub deadline: Duration,
    /// How long the first read of the file took.
    pub read: Duration,
    /// The longest single call of it.
    pub longest: Duration,
    /// The file's bytes.
    pub size: u64,
    /// After kill -9 of its daemon.
    pub killed: Result<Loss, String>,
    /// After SIGSTOP.
    pub stopped: Result<Loss, String>,
    /// Whether `systemctl stop` has left no process of it.
    pub is_gone: bool,
}

/// What vassal has made of a loss.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Why the vassal was restarted.
    pub verdict: String,
    /// When it served again.
    pub served: Duration,
}

/// Tries all of them on a suite.
///
/// # Errors
///
/// When no machine boots, or the packages cannot be installed.
///
/// # Panics
///
/// When the machine is not usable.
pub fn measure(suite: Suite, wanted: &[String]) -> Result<Vec<Tried>, Failure> {
    let recipes = RECIPES.iter().filter(|recipe| recipe.suites.contains(&suite));
    let recipes: Vec<_> = recipes
        .filter(|recipe| wanted.is_empty() || wanted.iter().any(|name| name == recipe.name))
        .collect();
    let mut packages: Vec<&str> = recipes
        .iter()
        .flat_map(|recipe| recipe.with.iter().copied().chain([recipe.package()]))
        .collect();
    packages.sort_unstable();
    packages.dedup();
    let machine = Boot::of(suite)
        .layer(&installed(suite))
        .layer(&Layer::with_debian(suite, &packages)?)
        .start()?;
    let _servers = furnish(&machine, &recipes);
    Ok(recipes
        .into_iter()
        .map(|recipe| {
            let tried = attempt(&machine, recipe);
            eprintln!("{suite}: {}: {:?}", recipe.name, tried.seen);
            tried
        })
        .collect())
}

/// The file that is read, the app, and the servers.
fn furnish(machine: &Machine, recipes: &[&Recipe]) -> Vec<Outside> {
    machine.write("/usr/local/bin/reader", READER, 0o755, Owner::ROOT);
    machine.must_sh(&format!(
        "mkdir -p {PLACE}/source {PLACE}/out; cd {PLACE}; chown user001: out; \
         head -c 25165824 /dev/urandom | base64 -w 76 | head -c 33554432 >source/large; echo small >source/small; \
         grep -q user_allow_other /etc/fuse.conf || echo user_allow_other >>/etc/fuse.conf; \
         sed -i 's/^#user_allow_other/user_allow_other/' /etc/fuse.conf"
    ));
    let is_asked = |server: &Server| recipes.iter().any(|recipe| recipe.server == *server);
    let servers = SERVERS.into_iter().filter(is_asked);
    servers.filter_map(|server| serve(machine, server)).collect()
}

const SERVERS: [Server; 6] = [
    Server::Http,
    Server::Webdav,
    Server::Ftp,
    Server::Ssh,
    Server::S3,
    Server::Gluster,
];

/// A server that is the host's, in the machine's network; it ends with this.
struct Outside(Child);

impl Drop for Outside {
    fn drop(&mut self) {
        // It may have ended.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Outside {
    fn start(machine: &Machine, words: &[&str]) -> Outside {
        let target = machine.leader().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--net", "--target", &target, "--"]).args(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Outside(child),
            Err(error) => panic!("cannot run '{}': {error}", words.join(" ")),
        }
    }
}

fn serve(machine: &Machine, server: Server) -> Option<Outside> {
    let outside = (server == Server::S3)
        .then(|| Outside::start(machine, &["moto_server", "-H", "127.0.0.1", "-p", "8805"]));
    let (port, command) = match server {
        Server::None => return None,
        Server::S3 => (8805, ""),
        // It takes no brick of a loopback address.
        Server::Gluster => (
            24007,
            "sh -c 'ip address add 192.0.2.1/32 dev lo; exec glusterd -N'",
        ),
        Server::Http => (8801, "rclone serve http --addr 127.0.0.1:8801 /srv/tried/source"),
        Server::Webdav => (
            8802,
            "rclone serve webdav --addr 127.0.0.1:8802 /srv/tried/source",
        ),
        Server::Ftp => (
            8803,
            "python3 -m pyftpdlib -i 127.0.0.1 -p 8803 -d /srv/tried/source",
        ),
        Server::Ssh => (8804, "/usr/sbin/sshd -D -p 8804 -o StrictModes=no"),
    };
    if server == Server::Ssh {
        machine.must_sh(&format!(
            "cd {PLACE}; ssh-keygen -q -t ed25519 -N '' -f key; chown user001: key; ssh-keygen -A >&2; mkdir -p /run/sshd; \
             install -d -o user001 -g user001 -m 700 ~user001/.ssh; cp key.pub ~user001/.ssh/authorized_keys; \
             chown user001: ~user001/.ssh/authorized_keys"
        ));
    }
    if outside.is_none() {
        machine.must_sh(&format!("systemd-run -q --setenv=HOME=/root {command}"));
    }
    machine.wait_for(&format!("{server:?}"), LIMIT, || {
        let open = machine.run(&["bash", "-c", &format!("exec 3<>/dev/tcp/127.0.0.1/{port}")]);
        if open.succeeded() { Ok(()) } else { Err(open) }
    });
    if server == Server::Gluster {
        machine.must_sh(&format!(
            "gluster --mode=script volume create tried 192.0.2.1:{PLACE}/brick force; gluster --mode=script volume start tried"
        ));
    }
    outside
}

fn attempt(machine: &Machine, recipe: &'static Recipe) -> Tried {
    let version = machine.sh(&format!(
        "dpkg-query --show --showformat='${{Version}}' {}",
        recipe.package()
    ));
    Tried {
        recipe,
        version: version.stdout,
        seen: observe(machine, recipe),
    }
}

fn observe(machine: &Machine, recipe: &Recipe) -> Result<Seen, String> {
    let setting = format!("cd {PLACE}/work; source={PLACE}/source; at={PLACE}/at");
    machine.must_sh(&format!(
        "systemctl stop {UNIT} || true; cd {PLACE}; umount -l at 2>/dev/null || true; rm -rf work at out/*; \
         install -d -o user001 -g user001 work at"
    ));
    let script = format!("{setting}; {}", recipe.prepare);
    let user: &[&str] = if recipe.by == By::User { &AS_USER001 } else { &[] };
    let prepared = machine.run(&[user, &["sh", "-ec", &script]].concat());
    if !prepared.succeeded() {
        let said = prepared.stderr.trim().replace('\n', " ");
        return Err(format!("its content cannot be made: {said}"));
    }
    let mount = format!("#!/bin/sh -e\n{setting}\n{}\n", recipe.mount);
    machine.write(format!("{PLACE}/mount"), mount, 0o755, Owner::ROOT);
    let by = if recipe.by == By::User { "user" } else { "root" };
    let file = format!(
        "[uwsgi]\nuid = user001\ngid = user001\nexec-as-{by} = {PLACE}/mount\nmountpoint-check = {PLACE}/at\n\
         [vassal]\ncommand = /usr/local/bin/reader '{PLACE}/at/{}' {PLACE}/out/first\n",
        recipe.file
    );
    machine.write("/etc/uwsgi/vassals/tried.ini", file, 0o644, Owner::ROOT);
    machine.must_sh("systemctl daemon-reload; systemctl reset-failed 'vassal@*' 2>/dev/null || true");
    let started = machine.run(&["timeout", "100", "systemctl", "start", UNIT]);
    if !started.succeeded() {
        return Err(complaint(machine));
    }
    let seen = watch(machine);
    machine.sh(&format!("systemctl stop {UNIT} 'vassal-retry@*'"));
    seen.map(|seen| Seen {
        is_gone: daemons(machine).is_empty(),
        ..seen
    })
}

fn watch(machine: &Machine) -> Result<Seen, String> {
    let first = until(|| {
        let text = machine.sh(&format!("cat {PLACE}/out/first")).stdout;
        let numbers: Vec<f64> = text.split(' ').filter_map(|word| word.parse().ok()).collect();
        <[f64; 3]>::try_from(numbers).ok()
    });
    let Some([read, longest, size]) = first else {
        return Err(format!("the file was not read: {}", complaint(machine)));
    };
    let vassal = vassal(machine).ok_or("it has no record")?;
    let mount = &vassal["mounts"][0];
    Ok(Seen {
        fstype: mount["type"].as_str().unwrap_or_default().to_owned(),
        deadline: Duration::from_secs_f64(mount["deadline_seconds"].as_f64().unwrap_or_default()),
        read: Duration::from_secs_f64(read),
        longest: Duration::from_secs_f64(longest),
        size: size as u64,
        killed: lose(machine, "KILL"),
        stopped: lose(machine, "STOP"),
        is_gone: false,
    })
}

/// Sends a signal to the daemons, and waits until the vassal serves again.
fn lose(machine: &Machine, signal: &str) -> Result<Loss, String> {
    let restarts = |vassal: &Value| vassal["restarts"].as_u64().unwrap_or(0);
    std::thread::sleep(SETTLED);
    let before = vassal(machine).map_or(0, |vassal| restarts(&vassal));
    let daemons = daemons(machine);
    if daemons.is_empty() {
        return Err("no process has it open".into());
    }
    let begun = Instant::now();
    machine.sh(&format!("kill -{signal} {}", daemons.join(" ")));
    let again = until(|| {
        let vassal = vassal(machine)?;
        (restarts(&vassal) > before && vassal["state"] == "serving").then_some(vassal)
    });
    let served = begun.elapsed();
    match again {
        Some(vassal) => Ok(Loss {
            verdict: vassal["cause"]
                .as_str()
                .unwrap_or_default()
                .replace(&format!("{PLACE}/at "), ""),
            served,
        }),
        None => Err(format!(
            "not back within {} s: {}",
            LIMIT.as_secs(),
            complaint(machine)
        )),
    }
}

/// The processes of the vassal that have a FUSE connection open, but for its watchdog, which has copies.
fn daemons(machine: &Machine) -> Vec<String> {
    let script = format!(
        "cgroup=$(systemctl show --value --property=ControlGroup {UNIT}); main=$(systemctl show --value --property=MainPID {UNIT}); \
         for pid in $(cat /sys/fs/cgroup$cgroup/cgroup.procs 2>/dev/null); do \
         [ $pid != $main ] && ls -l /proc/$pid/fd 2>/dev/null | grep -q /dev/fuse && echo $pid; done; true"
    );
    machine.must_sh(&script).lines().map(str::to_owned).collect()
}

fn vassal(machine: &Machine) -> Option<Value> {
    let listed = machine.run(&["vassalctl", "list", "--json", "tried"]).stdout;
    let mut listed: Value = serde_json::from_str(&listed).ok()?;
    Some(listed["vassals"][0].take())
}

/// What vassal says of a start that has failed.
fn complaint(machine: &Machine) -> String {
    let vassal = vassal(machine).unwrap_or_default();
    let cause = vassal["cause"].as_str().unwrap_or("it does not start");
    machine.must_sh("journalctl --sync");
    // What its programs said, without what systemd and vassal say of it.
    let script = format!(
        "journalctl --quiet --output=cat --unit={UNIT} --since=@$(stat -c %Y {PLACE}/mount) | \
         grep -v -e '^vassal@' -e '^tried.ini' -e '^Start' -e '^Stop' -e '^Failed' -e '^WARN' | tail -n 2"
    );
    format!("{cause} {}", machine.must_sh(&script).replace('\n', " "))
}

fn until<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    while begun.elapsed() < LIMIT {
        if let Some(found) = look() {
            return Some(found);
        }
        std::thread::sleep(LOOK);
    }
    None
}

/// The server that it asks.
pub fn server(recipe: &Recipe) -> Option<&'static str> {
    match recipe.server {
        Server::None => None,
        Server::Http => Some("HTTP"),
        Server::Webdav => Some("WebDAV"),
        Server::Ftp => Some("FTP"),
        Server::Ssh => Some("SSH"),
        Server::S3 => Some("S3"),
        Server::Gluster => Some("GlusterFS"),
    }
}
