//! A machine of files below a directory, and what the program says about it.

use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

use crate::seed;

/// Where vassals' files are in a machine.
pub const VASSALS: &str = "etc/uwsgi/vassals";

/// Set to write what is found over what was wanted: look at the difference before it is committed.
const RENEW: &str = "VASSALCTL_RENEW_GOLDEN";

/// What the program said.
#[derive(Debug)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Said {
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            code: output.status.code().unwrap_or(-1),
        }
    }
}

impl Said {
    /// Demands standard output, to the byte, from `tests/golden`, with the machine's root as `ROOT`.
    pub fn must_be(&self, golden: &str, machine: &Machine, code: i32) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(golden);
        let found = self.out.replace(machine.root.to_str().unwrap(), "ROOT");
        if std::env::var_os(RENEW).is_some() {
            fs::write(&path, &found).unwrap();
        }
        let wanted = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found, wanted,
            "{golden} (if this is how it should be, set {RENEW}=1)\n{}",
            self.err
        );
        assert_eq!(self.code, code, "{}", self.err);
    }

    pub fn json(&self) -> Value {
        assert!(self.out.is_ascii(), "{}", self.out);
        let value: Value = serde_json::from_str(&self.out).unwrap();
        assert_eq!(value["version"], 1);
        value
    }
}

/// A command of the program, with nothing of our own environment.
pub fn vassalctl(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vassalctl"));
    command.env_clear().args(args);
    command
}

/// A machine on which everything of the scenario is as it should be.
pub struct Machine {
    scratch: TempDir,
    pub root: PathBuf,
}

impl Machine {
    pub fn new() -> Self {
        let scratch = TempDir::new().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let machine = Machine { scratch, root };
        for directory in [
            "app",
            "ufs",
            "dev",
            "ns/cow/user001",
            "ns/precise/.old_root",
            VASSALS,
        ] {
            fs::create_dir_all(machine.path(directory)).unwrap();
        }
        let own = machine.path("app").metadata().unwrap();
        let accounts = [
            (
                "passwd",
                format!("root:x:0:0:::\nuser001:x:{}:{}:::\n", own.uid(), own.gid()),
            ),
            ("group", format!("root:x:0:\nuser001:x:{}:\n", own.gid())),
        ];
        for (file, text) in accounts {
            machine.write(&format!("etc/{file}"), &text);
            machine.write(&format!("ns/precise/etc/{file}"), &text);
        }
        machine.write("etc/vassal/emperor.ini", seed::EMPEROR);
        machine.write("usr/lib/uwsgi/plugins/psgi_plugin.so", "");
        machine.write("dev/null", "");
        machine.write("dev/fuse", "");
        machine.set_mode("dev/fuse", 0o666);
        machine
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    }

    pub fn set_mode(&self, path: &str, mode: u32) {
        fs::set_permissions(self.path(path), Permissions::from_mode(mode)).unwrap();
    }

    pub fn remove(&self, path: &str) {
        let path = self.path(path);
        if path.is_dir() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }

    /// The file of a vassal.
    pub fn vassal(&self, name: &str, text: &str) {
        self.write(&format!("{VASSALS}/{name}.ini"), text);
    }

    /// Runs a verb on this machine.
    pub fn say(&self, verb: &str, args: &[&str]) -> Said {
        let root = self.scratch.path().to_str().unwrap();
        let args = [&[verb, "--root", root], args].concat();
        vassalctl(&args).current_dir(&self.root).output().unwrap().into()
    }
}
