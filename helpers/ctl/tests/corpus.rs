//! The corpus of the language (`tests/corpus` of the repository) through the program.
//!
//! A case was recorded in `/srv/corpus/dev/NAME` on a host of that name with two processors. So that what depends on them comes
//! out the same, all cases run in namespaces of their own, where it is so.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use vassal_config::machine::system::System;
use vassal_config::machine::world::World;

struct Case {
    name: String,
    meta: Value,
    expected: Value,
}

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()
}

fn cases() -> (PathBuf, Vec<Case>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/cases");
    let directory = directory.canonicalize().unwrap();
    let mut names: Vec<String> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let case = |name: String| Case {
        meta: json(directory.join(&name).join("meta.json")),
        expected: json(directory.join(&name).join("expected.json")),
        name,
    };
    let cases = names.into_iter().map(case).collect();
    (directory, cases)
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The machine of the corpus, in a mount and a UTS namespace: `$1` is a scratch directory, `$2` the cases, `$3` the program.
const MACHINE: &str = r#"
set -eu
mount -t tmpfs scratch "$1/srv"
mkdir -p "$1/srv/corpus/dev" "$1/srv/upper" "$1/srv/work"
cp "$3" "$1/srv/vassalctl"
for case in "$2"/*; do
	mkdir "$1/srv/corpus/dev/${case##*/}"
	mount --bind "$case" "$1/srv/corpus/dev/${case##*/}"
done
printf '0-1\n' >"$1/cpus"
mount --bind "$1/cpus" /sys/devices/system/cpu/online
if [ -d /usr/lib/uwsgi/plugins ]; then
	mount -t tmpfs plugins /usr/lib/uwsgi/plugins
else
	mount -t overlay -o "lowerdir=/usr/lib,upperdir=$1/srv/upper,workdir=$1/srv/work" lib /usr/lib
	mkdir -p /usr/lib/uwsgi/plugins
fi
: >/usr/lib/uwsgi/plugins/psgi_plugin.so
hostname corpus-host
exec 3>"$1/done"
cd "$1"
mount --rbind "$1/srv" /srv
set +e
"#;

fn script(cases: &[Case]) -> String {
    let mut script = MACHINE.to_owned();
    for case in cases {
        let name = &case.name;
        let words = |value: &Value| -> Vec<String> {
            let list = value.as_array().unwrap().iter();
            list.map(|word| quoted(word.as_str().unwrap())).collect()
        };
        let args = words(&case.meta["args"]).join(" ");
        let variables = case.meta["env"].as_object().unwrap().iter();
        let variables: Vec<_> = variables
            .map(|(name, value)| quoted(&format!("{name}={}", value.as_str().unwrap())))
            .collect();
        let cwd = quoted(case.meta["cwd"].as_str().unwrap());
        script += &format!(
            "(cd {cwd} && env -i {} /srv/vassalctl entries {args} </dev/null) >{name}.out 2>{name}.err\n\
             echo $? >{name}.status\n",
            variables.join(" ")
        );
    }
    script + "echo done >&3\n"
}

/// Root needs no user namespace, which many machines forbid.
fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

#[test]
fn every_case_comes_out_of_the_program_as_uwsgi_has_it() {
    let (directory, cases) = cases();
    assert_eq!(cases.len(), 124, "cases are missing from {}", directory.display());
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("srv")).unwrap();
    let ran = Command::new("unshare")
        .args(if is_root() {
            &[][..]
        } else {
            &["--user", "--map-root-user"]
        })
        .args(["--mount", "--uts", "sh", "-c"])
        .arg(script(&cases))
        .arg("sh")
        .args([scratch.path(), &directory])
        .arg(env!("CARGO_BIN_EXE_vassalctl"))
        .output()
        .unwrap();
    let end = fs::read_to_string(scratch.path().join("done")).unwrap_or_default();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(
        end, "done\n",
        "the machine of the corpus cannot be made (are user namespaces allowed?): {said}"
    );
    let version = String::from_utf8(System::new([].into(), "/".into()).version().to_vec()).unwrap();
    let wrong: Vec<_> = cases
        .iter()
        .filter_map(|case| compare(case, scratch.path(), &version).err())
        .collect();
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// The list is compared as text, to the byte; of a refusal only that it is one, in one line behind what was printed.
fn compare(case: &Case, results: &Path, version: &str) -> Result<(), String> {
    let result = |what: &str| {
        let bytes = fs::read(results.join(format!("{}.{what}", case.name))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let [out, err, status] = ["out", "err", "status"].map(result);
    let expected = match &case.expected {
        Value::Array(_) => {
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus/cases");
            let text = fs::read_to_string(directory.join(&case.name).join("expected.json")).unwrap();
            text.replace(case.meta["version"].as_str().unwrap(), version)
        }
        _ => String::new(),
    };
    let printed: Vec<_> = case.meta["stdout"].as_array().unwrap().iter().collect();
    let (code, lines) = match expected.is_empty() {
        true if case.meta["exit"] == 1 => ("1\n", 1),
        true => ("1\n", printed.len() + 1),
        false => ("0\n", printed.len()),
    };
    let found = (status.as_str(), out.as_str(), err.lines().count());
    if found == (code, expected.as_str(), lines) {
        return Ok(());
    }
    Err(format!(
        "{}: status {status}wanted {expected}found {out}{err}",
        case.name
    ))
}
