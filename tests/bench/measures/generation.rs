//! The generator, beside a floor in C that reads and writes as many files and podman's, which makes units of files, too. On the host, in
//! directories of the benchmark's own, in memory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vassal_tests::{Failure, Layer, Suite, installed};

use crate::compile::compile;
use crate::measures::ladder::{Ladder, Rung};

/// How many files, and how many rounds with so many.
const SIZES: [(usize, usize); 3] = [(10, 100), (1000, 15), (10_000, 5)];
/// Where memory is.
const MEMORY: &str = "/dev/shm";
/// Debian 12's podman has no generator yet; this one runs on the libraries that it came with.
const QUADLETS: Suite = Suite::Trixie;
const QUADLET: &str = "usr/libexec/podman/quadlet";
const LOADER: &str = "lib64/ld-linux-x86-64.so.2";
const LIBRARIES: &str = "usr/lib/x86_64-linux-gnu";
const VASSAL: &str = "[uwsgi]\nplugin = psgi\nuid = user001\ngid = user001\nmaster = true\nprocesses = 2\n\
    exec-as-user = fuse-zip -r /var/www/app001.zip /app\nmountpoint-check = /app\nhttp-socket = :9090\npsgi = /app/myapp.pl\n\
    [Service]\nMemoryMax=512M\n";
const CONTAINER: &str = "[Container]\nImage=localhost/app\nVolume=/var/www:/app\nPublishPort=9090:80\n[Service]\nMemoryMax=512M\n";

/// What a number of files costs.
#[derive(Clone, Debug)]
pub struct Generation {
    /// The times.
    pub ladder: Ladder,
    /// The most memory that the generator had, in KiB.
    pub peak: u64,
}

/// Measures all sizes.
///
/// # Errors
///
/// When the programs cannot be built or do not run.
pub fn measure() -> Result<Vec<Generation>, Failure> {
    SIZES
        .into_iter()
        .map(|(files, rounds)| one_size(files, rounds))
        .collect()
}

fn one_size(files: usize, rounds: usize) -> Result<Generation, Failure> {
    let place = tempfile::tempdir_in(MEMORY).map_err(file("create", Path::new(MEMORY)))?;
    prepare(place.path(), files)?;
    let cost = compile("cost")?;
    let floor = compile("generate")?;
    let vassal = installed(Suite::Bookworm)
        .path()
        .join("usr/lib/systemd/system-generators/vassal-generator");
    let vassals = place.path().join("root/etc/uwsgi/vassals");
    let quadlet = quadlet()?;
    let mut rungs: Vec<Rung> = ["floor", "vassal", "quadlet"].map(Rung::new).into();
    let mut peak = 0;
    for round in 0..rounds {
        for (number, rung) in rungs.iter_mut().enumerate() {
            let out = place.path().join("out");
            make(&out)?;
            let mut command = Command::new(&cost);
            match number {
                0 => command.args([&floor, &vassals, &out]),
                1 => command
                    .args([&vassal, &out])
                    .env("VASSAL_ROOT", place.path().join("root")),
                _ => command
                    .args(&quadlet)
                    .arg(&out)
                    .env("QUADLET_UNIT_DIRS", place.path().join("containers")),
            };
            let (time, kib) = run(&mut command)?;
            rung.times.insert(round, time);
            if number == 1 {
                peak = peak.max(kib);
            }
            fs::remove_dir_all(&out).map_err(file("remove", &out))?;
        }
    }
    let what = format!("units of {files} files");
    Ok(Generation {
        ladder: Ladder { what, rungs },
        peak,
    })
}

/// The command line of podman's generator.
fn quadlet() -> Result<Vec<OsString>, Failure> {
    let debian = Layer::debian(QUADLETS)?;
    let podman = Layer::with_debian(QUADLETS, &["podman"])?;
    let libraries = [&podman, &debian].map(|layer| layer.path().join(LIBRARIES).into_os_string());
    Ok(vec![
        debian.path().join(LOADER).into(),
        "--library-path".into(),
        libraries.join(OsStr::new(":")),
        podman.path().join(QUADLET).into(),
    ])
}

fn prepare(place: &Path, files: usize) -> Result<(), Failure> {
    let (vassals, containers) = (place.join("root/etc/uwsgi/vassals"), place.join("containers"));
    let emperor = place.join("root/etc/vassal");
    for directory in [&vassals, &containers, &emperor, &place.join("root/run")] {
        make(directory)?;
    }
    write(
        &emperor.join("emperor.ini"),
        "[uwsgi]\nemperor = /etc/uwsgi/vassals\nemperor-use-clone = fs,pid\n",
    )?;
    for number in 1..=files {
        write(&vassals.join(format!("user{number:05}.ini")), VASSAL)?;
        write(&containers.join(format!("user{number:05}.container")), CONTAINER)?;
    }
    Ok(())
}

/// The time that the program took, and its most memory in KiB.
fn run(command: &mut Command) -> Result<(Duration, u64), Failure> {
    let output = command.output().map_err(|reason| Failure::Program {
        name: "cost".into(),
        reason,
    })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let number = |word: Option<&str>| word.and_then(|word| word.trim().parse::<u64>().ok());
    let mut words = text.split(' ');
    match (number(words.next()), number(words.next())) {
        (Some(micros), Some(kib)) => Ok((Duration::from_micros(micros), kib)),
        _ => Err(Failure::Build {
            what: "the times of the generators".into(),
            output: String::from_utf8_lossy(&output.stderr).into_owned(),
        }),
    }
}

fn make(path: &PathBuf) -> Result<(), Failure> {
    fs::create_dir_all(path).map_err(file("create", path))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(file("write", path))
}

fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Failure {
    let path = path.to_owned();
    move |reason| Failure::File { doing, path, reason }
}
