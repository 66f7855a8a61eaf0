//! `vassalctl metrics`: prints metrics for Prometheus, or writes them for node_exporter's textfile collector.

use crate::arguments::Metrics;
use crate::render::metrics::{Form, metrics};
use crate::render::output;
use crate::running::cgroup::Detail;
use crate::running::fleet::Fleet;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

/// The file in the collector's directory. The collector reads files with the suffix `.prom`, so the temporary file has
/// another one.
const FILE: &str = "vassal.prom";

/// Prints or writes the metrics.
pub fn run(arguments: &Metrics) -> ExitCode {
    let fleet = match Fleet::gather(&arguments.place, Detail::Full) {
        Ok(fleet) => fleet,
        Err(why) => return output::fail_with(&why, output::FAILED),
    };
    for problem in &fleet.problems {
        output::warn(problem);
    }
    let form = match arguments.openmetrics {
        true => Form::OpenMetrics,
        false => Form::Prometheus,
    };
    let text = metrics(&fleet.vassals, fleet.problems.len(), form);
    let Some(directory) = &arguments.textfile else {
        return output::finish(&text, output::GOOD);
    };
    match put(directory, &text) {
        Ok(()) => ExitCode::from(output::GOOD),
        Err(error) => {
            let file = directory.join(FILE);
            output::fail_with(&format!("{}: {error}", file.display()), output::FAILED)
        }
    }
}

/// Replaces the file atomically, so that the collector never reads a partial one.
fn put(directory: &Path, text: &str) -> io::Result<()> {
    let temporary = directory.join(format!(".{FILE}.{}", std::process::id()));
    let create = || -> io::Result<File> {
        // An existing file or link of this name is neither followed nor overwritten.
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&temporary)
    };
    let written = create().and_then(|mut file| file.write_all(text.as_bytes()));
    let put = written.and_then(|()| std::fs::rename(&temporary, directory.join(FILE)));
    put.inspect_err(|_| {
        std::fs::remove_file(&temporary).ok();
    })
}
