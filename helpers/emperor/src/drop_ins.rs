//! The vassals' drop-ins, written into the generator's own directory: the next daemon-reload empties it and writes it anew, so there is one
//! place and one text, and nothing that could be older than the generator's.
//!
//! systemd reads that directory when units are reloaded, and else takes its content from a cache, which it renews at the next load
//! of a unit when the date of one of its other directories has changed. So the date of /run/systemd/system is
//! moved on, and a unit that is not loaded is loaded with its new drop-in, without a daemon-reload (252 and 257, measured).

use nix::sys::stat::{UtimensatFlags, utimensat};
use nix::sys::time::TimeSpec;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use vassal_config::emperor::name::VassalName;
use vassal_escape::unit_name::unescape;
use vassal_generator::drop_in::Text;
use vassal_generator::output::{self, Units};

/// The generator's directory.
pub const GENERATED: &str = "/run/systemd/generator";
/// The directory whose date is moved on; systemd makes it at boot (sd_booted(3)).
pub const WITNESS: &str = "/run/systemd/system";
/// systemd compares dates in microseconds.
const STEP: i64 = 1_000;
const SECOND: i64 = 1_000_000_000;

/// The directory, and the one whose date counts.
#[derive(Debug, Clone)]
pub struct DropIns {
    generated: PathBuf,
    witness: PathBuf,
}

impl DropIns {
    /// Those in `generated`.
    pub fn new(generated: &Path, witness: &Path) -> Self {
        Self {
            generated: generated.to_owned(),
            witness: witness.to_owned(),
        }
    }

    /// Writes the drop-ins of a vassal, and makes the target want it.
    ///
    /// # Errors
    /// Whatever the filesystem says.
    pub fn write(&self, name: &VassalName, text: &Text) -> io::Result<()> {
        match fs::create_dir(&self.generated) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Units::open(&self.generated)?.replace(name, text)
    }

    /// Writes the drop-in of the socket of the statistics, or removes it; whether it was another one.
    ///
    /// # Errors
    /// Whatever the filesystem says.
    pub fn write_statistics(&self, drop_in: Option<&str>) -> io::Result<bool> {
        if output::statistics(&self.generated).as_deref() == drop_in {
            return Ok(false);
        }
        Units::open(&self.generated)?
            .write_statistics(drop_in)
            .map(|()| true)
    }

    /// Removes what there is of a vassal.
    ///
    /// # Errors
    /// Whatever the filesystem says.
    pub fn erase(&self, name: &VassalName) -> io::Result<()> {
        match Units::open(&self.generated) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            units => units?.erase(name),
        }
    }

    /// The vassals of which there is something.
    ///
    /// # Errors
    /// Whatever the filesystem says.
    pub fn vassals(&self) -> io::Result<BTreeSet<VassalName>> {
        Ok(output::units(&self.generated)?
            .iter()
            .filter_map(|unit| Some(vassal_of(unit)?.0))
            .collect())
    }

    /// Has systemd look at the directory before it loads the next unit.
    ///
    /// # Errors
    /// Whatever the filesystem says.
    pub fn announce(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.witness)?;
        let before = metadata
            .mtime()
            .saturating_mul(SECOND)
            .saturating_add(metadata.mtime_nsec());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        // The kernel's own dates stand still for milliseconds: two changes within that would look like one.
        let next = i64::try_from(now)
            .unwrap_or(i64::MAX)
            .max(before.saturating_add(STEP));
        let date = TimeSpec::new(next / SECOND, next % SECOND);
        let flags = UtimensatFlags::NoFollowSymlink;
        Ok(utimensat(
            nix::fcntl::AT_FDCWD,
            &self.witness,
            &date,
            &date,
            flags,
        )?)
    }
}

/// Which of a vassal's units one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The vassal's own.
    Service,
    /// That of the socket whose first connection starts it.
    Socket,
}

/// The vassal of a unit; nothing for other units, and for names that no vassal's unit has.
pub fn vassal_of(unit: &str) -> Option<(VassalName, Kind)> {
    let (instance, kind) = match unit.strip_prefix("vassal@")?.rsplit_once('.')? {
        (instance, "service") => (instance, Kind::Service),
        (instance, "socket") => (instance, Kind::Socket),
        _ => return None,
    };
    let name = VassalName::parse(&unescape(instance.as_bytes())).ok()?;
    let is_its = match kind {
        Kind::Service => name.unit() == unit,
        Kind::Socket => name.socket() == unit,
    };
    is_its.then_some((name, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_listed_erased_and_announced_each_time() {
        let root = tempfile::tempdir().unwrap();
        let drop_ins = DropIns::new(&root.path().join("generator"), root.path());
        let name = VassalName::parse(b"my app").unwrap();
        assert!(drop_ins.vassals().unwrap().is_empty());
        drop_ins.erase(&name).unwrap();
        let mut text = Text {
            service: "[Unit]\n".into(),
            socket: Some("[Socket]\n".into()),
        };
        drop_ins.write(&name, &text).unwrap();
        let wants = root.path().join("generator/vassals.target.wants");
        let wanted = || {
            fs::read_dir(&wants)
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .collect::<Vec<_>>()
        };
        assert_eq!(wanted(), ["vassal@my\\x20app.socket"]);
        assert!(output::has(&root.path().join("generator"), &name, &text));
        text.socket = None;
        drop_ins.write(&name, &text).unwrap();
        assert_eq!(wanted(), ["vassal@my\\x20app.service"]);
        assert!(output::has(&root.path().join("generator"), &name, &text));
        let unit = root
            .path()
            .join("generator/vassal@my\\x20app.service.d/50-vassal.conf");
        assert_eq!(fs::read_to_string(&unit).unwrap(), "[Unit]\n");
        assert_eq!(drop_ins.vassals().unwrap(), [name.clone()].into());
        let date = || {
            let metadata = fs::metadata(root.path()).unwrap();
            metadata.mtime() * SECOND + metadata.mtime_nsec()
        };
        for _ in 0..100 {
            let before = date();
            drop_ins.announce().unwrap();
            assert!(date() >= before + STEP);
        }
        drop_ins.erase(&name).unwrap();
        assert!(drop_ins.vassals().unwrap().is_empty());
        assert!(!unit.parent().unwrap().exists());
    }

    #[test]
    fn only_the_units_that_vassals_have_are_theirs() {
        const CASES: &[(&str, bool)] = &[
            ("vassal@a-b.service", true),
            ("vassal@a\\x2db.service", false),
            ("vassal-retry@a.service", false),
            ("vassal@.service", false),
            ("vassal@a.socket", true),
            ("vassal@a.slice", false),
        ];
        for (unit, is_one) in CASES {
            assert_eq!(vassal_of(unit).is_some(), *is_one, "{unit}");
        }
    }
}
