//! Writes the vassals' drop-ins into the generator's own directory. The next daemon-reload empties that directory and
//! the generator writes it again, so there is only one place and one text, and no drop-in can be older than the
//! generator's.
//!
//! systemd reads that directory at a daemon-reload, and otherwise uses a cache of its content. It renews the cache when
//! it loads a unit and the date of one of its other directories has changed. So this module advances the date of
//! /run/systemd/system, and a unit that is not loaded yet is loaded with its new drop-in, without a daemon-reload
//! (measured with 252 and 257).

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
/// The directory whose date is advanced; systemd makes it at boot (sd_booted(3)).
pub const SYSTEM_UNITS: &str = "/run/systemd/system";
/// systemd compares dates in microseconds.
const STEP: i64 = 1_000;
const SECOND: i64 = 1_000_000_000;

/// The generator's directory, and the one whose date is advanced.
#[derive(Debug, Clone)]
pub struct DropIns {
    generated: PathBuf,
    system_units: PathBuf,
}

impl DropIns {
    /// The drop-ins in `generated`.
    pub fn new(generated: &Path, system_units: &Path) -> Self {
        Self {
            generated: generated.to_owned(),
            system_units: system_units.to_owned(),
        }
    }

    /// Writes the drop-ins of a vassal, and the link by which the target wants it.
    ///
    /// # Errors
    /// An error of the filesystem.
    pub fn write(&self, name: &VassalName, text: &Text) -> io::Result<()> {
        match fs::create_dir(&self.generated) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        Units::open(&self.generated)?.replace(name, text)
    }

    /// Writes or removes the drop-in of the socket of the statistics. Returns whether it was different before.
    ///
    /// # Errors
    /// An error of the filesystem.
    pub fn write_statistics(&self, drop_in: Option<&str>) -> io::Result<bool> {
        if output::statistics(&self.generated).as_deref() == drop_in {
            return Ok(false);
        }
        Units::open(&self.generated)?
            .write_statistics(drop_in)
            .map(|()| true)
    }

    /// Removes everything of a vassal.
    ///
    /// # Errors
    /// An error of the filesystem.
    pub fn erase(&self, name: &VassalName) -> io::Result<()> {
        match Units::open(&self.generated) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            units => units?.erase(name),
        }
    }

    /// The vassals that have files in the directory.
    ///
    /// # Errors
    /// An error of the filesystem.
    pub fn vassals(&self) -> io::Result<BTreeSet<VassalName>> {
        Ok(output::units(&self.generated)?
            .iter()
            .filter_map(|unit| Some(vassal_of(unit)?.0))
            .collect())
    }

    /// Makes systemd read the directory again before it loads the next unit.
    ///
    /// # Errors
    /// An error of the filesystem.
    pub fn renew_cache(&self) -> io::Result<()> {
        let metadata = fs::metadata(&self.system_units)?;
        let before = metadata
            .mtime()
            .saturating_mul(SECOND)
            .saturating_add(metadata.mtime_nsec());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        // The kernel's clock for dates advances only every few milliseconds, so two changes within that time would have
        // the same date.
        let next = i64::try_from(now)
            .unwrap_or(i64::MAX)
            .max(before.saturating_add(STEP));
        let date = TimeSpec::new(next / SECOND, next % SECOND);
        let flags = UtimensatFlags::NoFollowSymlink;
        Ok(utimensat(
            nix::fcntl::AT_FDCWD,
            &self.system_units,
            &date,
            &date,
            flags,
        )?)
    }
}

/// The kind of a vassal's unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The service of the vassal.
    Service,
    /// The socket whose first connection starts it.
    Socket,
}

/// The vassal of a unit. `None` for other units, and for names that no vassal's unit has.
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
    fn drop_ins_are_written_listed_and_erased_and_the_cache_is_renewed_each_time() {
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
            drop_ins.renew_cache().unwrap();
            assert!(date() >= before + STEP);
        }
        drop_ins.erase(&name).unwrap();
        assert!(drop_ins.vassals().unwrap().is_empty());
        assert!(!unit.parent().unwrap().exists());
    }

    #[test]
    fn only_names_of_vassals_units_have_a_vassal() {
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
