//! The command lines of systemd-nspawn.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::container::stage::Stage;

/// Nothing of the host: no registration, no network, no configuration, no journal.
const APART: [&str; 7] = [
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--private-network",
    "--link-journal=no",
    "--resolv-conf=off",
    "--timezone=off",
];

/// Seconds that dpkg may take; one is usual.
const INSTALL_LIMIT: &str = "300";

/// Where the package is while dpkg reads it.
const PACKAGE: &str = "/run/package.deb";

/// A command that runs `argv` in a cgroup, in a PID namespace whose init dies with the calling thread: nspawn alone, when killed,
/// leaves its payload behind.
pub(crate) fn command(cgroup_procs: &Path, argv: &[String]) -> Command {
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"echo 0 >"$0" && exec "$@""#])
        .arg(cgroup_procs)
        .args(["setpriv", "--pdeathsig", "KILL"])
        .args(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"])
        // The exit keeps the shell from replacing itself: nspawn does not expect to be a namespace's init.
        .args(["sh", "-c", r#""$@"; exit $?"#, "sh"])
        .args(argv)
        .env_clear()
        .env(
            "PATH",
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        )
        // The machine is to be as free as a host: nspawn's filter would answer for the kernel.
        .env("SYSTEMD_SECCOMP", "0")
        .stdin(Stdio::null());
    command
}

/// What boots a machine.
pub(crate) fn boot(stage: &Stage, name: &str) -> Vec<String> {
    let mut argv = vec!["systemd-nspawn".to_owned()];
    argv.extend(APART.map(String::from));
    argv.extend(["--console=pipe", "--capability=all", "--notify-ready=yes"].map(String::from));
    argv.push(format!("--machine={name}"));
    argv.push(format!("--directory={}", stage.root().display()));
    argv.push(format!(
        "--bind={}:/sys/fs/fuse/connections",
        escape(&stage.connections())
    ));
    argv.push("/lib/systemd/systemd".to_owned());
    argv
}

/// What installs a package into a root that is not booted.
pub(crate) fn install(root: &Path, package: &Path) -> Vec<String> {
    let mut argv = ["timeout", "--kill-after=2", INSTALL_LIMIT, "systemd-nspawn"]
        .map(String::from)
        .to_vec();
    argv.extend(APART.map(String::from));
    argv.extend(["--pipe", "--as-pid2", "--setenv=DEBIAN_FRONTEND=noninteractive"].map(String::from));
    argv.push(format!("--directory={}", root.display()));
    argv.push(format!("--bind-ro={}:{PACKAGE}", escape(package)));
    argv.extend(["dpkg", "--install", PACKAGE].map(String::from));
    argv
}

/// What adds packages of Debian to a root that is not booted, from the root's own mirror: the one thing that needs the host's network.
pub(crate) fn add(root: &Path, packages: &[&str]) -> Vec<String> {
    let mut argv = ["timeout", "--kill-after=2", INSTALL_LIMIT, "systemd-nspawn"]
        .map(String::from)
        .to_vec();
    let with_network = |option: &&str| !["--private-network", "--resolv-conf=off"].contains(option);
    argv.extend(APART.into_iter().filter(with_network).map(String::from));
    argv.extend(["--resolv-conf=copy-host", "--pipe", "--as-pid2"].map(String::from));
    argv.push("--setenv=DEBIAN_FRONTEND=noninteractive".into());
    argv.push(format!("--directory={}", root.display()));
    let script = "apt-get -q update && apt-get -qy --no-install-recommends install \"$@\" && \
                  apt-get clean && rm -rf /var/lib/apt/lists/*";
    argv.extend(["sh", "-ec", script, "sh"].map(String::from));
    argv.extend(packages.iter().map(|package| String::from(*package)));
    argv
}

/// A bind's parts are separated by colons.
fn escape(path: &Path) -> String {
    path.display().to_string().replace(':', "\\:")
}
