//! From the launcher's exec to the payload, without a filesystem of its own and without systemd: vassal-enter, a floor in C,
//! and other launchers. On the host, in a mount namespace in which /etc/vassal is the benchmark's.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use vassal_tests::{Failure, Suite, installed};

use crate::compile::compile;
use crate::measures::ladder::{Ladder, Rung};

const ROUNDS: &str = "200";
/// systemd-nspawn takes a hundred times as long as the others.
const NSPAWN_EVERY: &str = "10";
/// Nobody's, on every Debian.
const ID: &str = "65534";

/// What is measured, in the order of the numbers that turns.c prints.
const MOMENTS: [&str; 3] = [
    "exec of the launcher → first statement of the payload",
    "exec of the launcher → end of the payload",
    "exec of the launcher → end of all processes",
];

/// /etc/vassal without touching the host's /etc; no journal, which has nothing to do with it; crun wants cgroup2 alone.
const PRIVATE: &str = r#"
mkdir "$0/over"
mount -t tmpfs none "$0/over"
mkdir "$0/over/upper" "$0/over/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$0/over/upper,workdir=$0/over/work" overlay /etc
mkdir -p /etc/vassal
cp "$0/emperor.ini" /etc/vassal/
[ ! -d /run/systemd/journal ] || mount -t tmpfs none /run/systemd/journal
[ -e /sys/fs/cgroup/cgroup.controllers ] || { umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; }
exec "$@"
"#;

/// A launcher: its name, how often it has its turn, its command line.
struct Launcher {
    name: &'static str,
    every: &'static str,
    command: Vec<String>,
}

/// Measures all that are installed, in turns; one ladder for each moment.
///
/// # Errors
///
/// When the programs cannot be built or do not run.
pub fn measure() -> Result<Vec<Ladder>, Failure> {
    let place = tempfile::tempdir().map_err(file("create", &std::env::temp_dir()))?;
    prepare(&place)?;
    let launchers = launchers(place.path())?;
    let is_there = |launcher: &&Launcher| is_installed(&launcher.command);
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "--propagation", "private", "sh", "-ec", PRIVATE])
        .arg(place.path())
        .arg(compile("turns")?)
        .arg(ROUNDS)
        .arg(place.path().join("root/stamp"));
    for launcher in launchers.iter().filter(is_there) {
        command
            .args([launcher.name, launcher.every])
            .args(&launcher.command)
            .arg(";");
    }
    let output = command.output().map_err(|reason| Failure::Program {
        name: "unshare".into(),
        reason,
    })?;
    if !output.status.success() {
        return Err(Failure::Build {
            what: "the times of the launchers".into(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        });
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok((0..MOMENTS.len())
        .map(|moment| ladder(&launchers, &text, moment))
        .collect())
}

/// A root with next to nothing in it, the vassal's file, and crun's.
fn prepare(place: &TempDir) -> Result<(), Failure> {
    let place = place.path();
    let root = place.join("root");
    for directory in ["bin", "proc", "dev", "sys", "tmp", "usr", "etc", ".old_root"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).map_err(file("create", &path))?;
    }
    copy(&compile("payload")?, &root.join("bin/payload"))?;
    // For the shell, which a launcher may need.
    if Path::new("/usr/bin/busybox").exists() {
        copy(Path::new("/usr/bin/busybox"), &root.join("bin/sh"))?;
    }
    nix::unistd::mkfifo(&root.join("stamp"), nix::sys::stat::Mode::empty())
        .map_err(|errno| file("create", &root.join("stamp"))(errno.into()))?;
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    fs::set_permissions(root.join("stamp"), everyone).map_err(file("open", &root.join("stamp")))?;
    open_the_way(place)?;
    let root = root.display();
    write(
        &place.join("emperor.ini"),
        &format!(
            "[uwsgi]\nemperor = {}/vassals\nemperor-use-clone = fs,pid\n",
            place.display()
        ),
    )?;
    write(
        &place.join("vassals/entry.ini"),
        &format!(
            "[uwsgi]\nuid = {ID}\ngid = {ID}\nhook-pre-jail = mount:none {root} {root} bind\n\
             pivot_root = {root} {root}/.old_root\nhook-as-root = mount:proc none /proc\n\
             hook-as-root = umount:/.old_root rec,detach\n[vassal]\ncommand = /bin/payload\n"
        ),
    )?;
    write(
        &place.join("bundle/config.json"),
        &format!(
            r#"{{"ociVersion":"1.0.2","root":{{"path":"{root}"}},
"process":{{"user":{{"uid":{ID},"gid":{ID}}},"args":["/bin/payload"],"cwd":"/","capabilities":{{}}}},
"mounts":[{{"destination":"/proc","type":"proc","source":"proc"}}],
"linux":{{"namespaces":[{{"type":"pid"}},{{"type":"mount"}}]}}}}"#
        ),
    )
}

fn launchers(place: &Path) -> Result<Vec<Launcher>, Failure> {
    let enter = installed(Suite::Bookworm)
        .path()
        .join("usr/lib/vassal/vassal-enter");
    let (floor, enter) = (compile("enter")?, enter.display().to_string());
    let (floor, root) = (
        floor.display().to_string(),
        place.join("root").display().to_string(),
    );
    let bundle = place.join("bundle").display().to_string();
    let launcher = |name, every, command: &[&str]| Launcher {
        name,
        every,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
    };
    Ok(vec![
        launcher("floor", "1", &[&floor, &root, ID, "/bin/payload"]),
        launcher("vassal", "1", &[&enter, "entry"]),
        launcher(
            "bwrap",
            "1",
            &[
                "bwrap",
                "--unshare-pid",
                "--bind",
                &root,
                "/",
                "--proc",
                "/proc",
                "/bin/payload",
            ],
        ),
        launcher("crun", "1", &["crun", "run", "--bundle", &bundle, "vassal-bench"]),
        launcher(
            "systemd-nspawn",
            NSPAWN_EVERY,
            &[
                "systemd-nspawn",
                "--quiet",
                "--register=no",
                "--keep-unit",
                "--pipe",
                "-D",
                &root,
                "/bin/payload",
            ],
        ),
    ])
}

fn is_installed(command: &[String]) -> bool {
    let name = command.first().map(String::as_str).unwrap_or_default();
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(name).is_file())
}

/// The ladder of one moment, from the lines that turns.c has printed.
fn ladder(launchers: &[Launcher], text: &str, moment: usize) -> Ladder {
    let mut rungs: Vec<Rung> = launchers
        .iter()
        .map(|launcher| Rung::new(launcher.name))
        .collect();
    for (launcher, rung) in launchers.iter().zip(&mut rungs) {
        if !is_installed(&launcher.command) {
            rung.missing = Some("not installed");
        }
    }
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let name = words.get(1).copied().unwrap_or_default();
        let Some(rung) = rungs.iter_mut().find(|rung| rung.name == name) else {
            continue;
        };
        let number = |place: usize| words.get(place).and_then(|word| word.parse::<u64>().ok());
        match (number(0), number(2 + moment)) {
            (Some(round), Some(time)) => {
                rung.times.insert(round as usize, Duration::from_nanos(time));
            }
            _ => rung.missing = Some("does not run here"),
        }
    }
    Ladder {
        what: MOMENTS[moment].to_owned(),
        rungs,
    }
}

/// A temporary directory is its owner's alone; the payload is somebody else.
fn open_the_way(place: &Path) -> Result<(), Failure> {
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(place, everyone).map_err(file("open", place))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::copy(from, to).map(drop).map_err(file("create", to))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let parent = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .map_err(file("write", path))
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |reason| Failure::File { doing, path, reason }
}
