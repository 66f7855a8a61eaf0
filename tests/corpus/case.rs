//! One case: what was recorded, and what we make of it.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vassal_config::language::evaluation::evaluate::evaluate;
use vassal_config::machine::system::System;

use crate::machine::Machine;

/// The final list as uWSGI shows it: a flag without a value is `true`.
pub type List = Vec<(String, String)>;

pub struct Case {
    path: PathBuf,
    meta: Value,
    pub about: String,
    /// The list, or why there is none.
    pub expected: Result<List, String>,
    pub printed: Vec<String>,
    pub exit: i64,
}

/// What we make of a case.
pub struct Outcome {
    pub list: Result<List, String>,
    pub printed: Vec<String>,
    pub exit: Option<i32>,
}

impl Case {
    pub fn read(path: &Path) -> Case {
        let meta = parsed(&path.join("meta.json"));
        let expected = parsed(&path.join("expected.json"));
        let expected = match expected.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(list(&expected).iter().map(pair).collect()),
        };
        Case {
            path: path.to_path_buf(),
            about: string(&meta["about"]),
            printed: texts(&meta["stdout"]),
            exit: number(&meta["exit"]),
            expected,
            meta,
        }
    }

    pub fn run(&self) -> Outcome {
        let args: Vec<Vec<u8>> = texts(&self.meta["args"])
            .into_iter()
            .map(String::into_bytes)
            .collect();
        match evaluate(&args, &self.machine()) {
            Err(error) => Outcome {
                list: Err(error.to_string()),
                printed: Vec::new(),
                exit: None,
            },
            Ok(evaluation) => {
                let entries = evaluation.entries.into_iter();
                let list = entries.map(|entry| {
                    (
                        text(&entry.key),
                        entry.value.map_or("true".into(), |value| text(&value)),
                    )
                });
                Outcome {
                    list: match evaluation.exit {
                        Some(code) => Err(format!("exit {code}")),
                        None => Ok(list.collect()),
                    },
                    printed: evaluation.printed.iter().map(|line| text(line)).collect(),
                    exit: evaluation.exit,
                }
            }
        }
    }

    fn machine(&self) -> Machine {
        let Value::Object(variables) = &self.meta["env"] else {
            panic!("env is an object")
        };
        let environment = variables
            .iter()
            .map(|(name, value)| (name.clone().into(), string(value).into()))
            .collect();
        let id = |name: &str| number::<u32>(&self.meta[name]);
        let bytes = |name: &str| string(&self.meta[name]).into_bytes();
        let here = self
            .path
            .canonicalize()
            .unwrap_or_else(|error| panic!("{}: {error}", self.path.display()));
        Machine {
            system: System::new(environment, here.clone()),
            here: here.into_os_string().into_vec(),
            there: bytes("cwd"),
            hostname: bytes("hostname"),
            cpus: number(&self.meta["cpus"]),
            uid: id("uid"),
            gid: id("gid"),
            user: bytes("user"),
            group: bytes("group"),
            version: bytes("version"),
        }
    }
}

fn parsed(path: &Path) -> Value {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn pair(value: &Value) -> (String, String) {
    match list(value) {
        [key, value] => (string(key), string(value)),
        other => panic!("{other:?} is no pair"),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is no list"))
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(string).collect()
}

fn string(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}

fn number<N: TryFrom<i64>>(value: &Value) -> N {
    let number = value.as_i64().and_then(|number| N::try_from(number).ok());
    number.unwrap_or_else(|| panic!("{value} is no such number"))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
