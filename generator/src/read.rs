//! Reads emperor.ini and the vassals' files, as far as units are made of them. Each of these functions may block on a
//! filesystem for ever, so the generator calls them in children that can be abandoned ([`crate::apart`]).

use crate::drop_in::{Common, DropIn, Text};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use vassal_config::diagnostic::Diagnostic;
use vassal_config::emperor::name::VassalName;
use vassal_config::emperor::on_demand::answer_of;
use vassal_config::emperor::settings::Emperor;
use vassal_config::emperor::vassals::{EMPEROR_FILE, outside, read_emperor_file};
use vassal_config::machine::system::System;
use vassal_config::machine::trusted::{Reader, Trusted};
use vassal_config::machine::world::{ReadError, World};
use vassal_config::unit::directives::directives;
use vassal_config::vassal::address::OnDemandSocket;
use vassal_config::vassal::read::judge_writers;

/// ENOENT, ENOTDIR and ELOOP (errno(3)): a missing file, or a link that leads nowhere or in a circle.
const NOWHERE: [i32; 3] = [2, 20, 40];

/// Reads emperor.ini, with the warnings about it; `None` when there is none, which is not a problem.
///
/// # Errors
/// A wrong file; one line.
pub fn emperor(root: &Path) -> Result<Option<(Emperor, Vec<String>)>, String> {
    let file = outside(root, EMPEROR_FILE.as_bytes());
    let content =
        read_emperor_file(&file).map_err(|error| format!("{}: cannot use it: {error}", file.display()))?;
    let Some(content) = content else {
        return Ok(None);
    };
    let directory = file.parent().unwrap_or(root).to_path_buf();
    let world = System::new([].into(), directory)
        .without_sources()
        .with_file(file.clone(), content);
    let (emperor, warnings) = Emperor::read(&file.into_os_string().into_vec(), &world)
        .map_err(|error| error.public().to_string())?;
    Ok(Some((emperor, warnings.iter().map(public).collect())))
}

/// The form of a finding for units and for the kernel's log, which everybody may read. The details are in the journal:
/// vassal-enter reads the same file and reports it there.
fn public(found: &Diagnostic) -> String {
    found.public().to_string()
}

/// The result of reading one vassal's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Its drop-ins, and the problems found in the file.
    DropIn(Text, Vec<String>),
    /// It may be a vassal on demand, but vassal-emperor has not run `emperor-on-demand-exec` for it yet. No unit is
    /// wanted before.
    Unasked,
    /// Not a regular file, so not a vassal.
    NoFile,
    /// The file could not be read this time; the error.
    Unreadable(String),
}

/// Reads the vassal's file at `file` below `root` and makes its drop-ins.
pub fn unit(reader: &Reader, root: &Path, (name, file): (&VassalName, &[u8]), common: &Common) -> Unit {
    let read = reader.read(&outside(root, file));
    unit_of(read, root, (name, file), common)
}

/// Makes the drop-ins of a file that was read, or could not be.
pub fn unit_of(
    read: Result<Trusted, ReadError>,
    root: &Path,
    (name, file): (&VassalName, &[u8]),
    common: &Common,
) -> Unit {
    let path = outside(root, file);
    let is_asked = || outside(root, answer_of(name).as_bytes()).exists();
    if common.on_demand.command.is_some() && !is_asked() {
        return Unit::Unasked;
    }
    let mut on_demand_socket = None;
    let (directives, problems) = match read {
        Ok(read) => {
            let (taken, errors) = directives(&read.content, &name.file());
            let errors: Vec<String> = errors.iter().map(public).collect();
            let whole = Whole {
                root,
                name,
                path: &path,
            };
            match whole.judge(read, common) {
                Ok((warnings, found)) => {
                    on_demand_socket = found;
                    (taken, [warnings, errors].concat())
                }
                // systemd keeps listening where it did.
                Err(refused) if !common.on_demand.is_off() => return Unit::Unreadable(refused.join("; ")),
                Err(refused) => (Vec::new(), refused),
            }
        }
        Err(ReadError::Directory | ReadError::NotAFile) => return Unit::NoFile,
        Err(ReadError::Failed { errno }) if NOWHERE.contains(&errno) => return Unit::NoFile,
        Err(error @ ReadError::Failed { .. }) => return Unit::Unreadable(error.to_string()),
        Err(error @ (ReadError::TooLarge { .. } | ReadError::TooSlow { .. } | ReadError::Refused { .. })) => {
            (
                Vec::new(),
                vec![format!("{}: cannot use it: {error}", path.display())],
            )
        }
    };
    let drop_in = DropIn {
        name,
        file,
        common,
        on_demand_socket,
        directives,
        problems: problems.clone(),
    };
    Unit::DropIn(drop_in.render(), problems)
}

/// A vassal's file that has to be evaluated to make its unit.
struct Whole<'a> {
    root: &'a Path,
    name: &'a VassalName,
    path: &'a Path,
}

impl Whole<'_> {
    /// Warnings about a file that others than root could have written, which depend on the vassal's user; and, for a
    /// vassal on demand, its socket.
    ///
    /// # Errors
    /// Why the file cannot contribute to the unit.
    fn judge(
        &self,
        read: Trusted,
        common: &Common,
    ) -> Result<(Vec<String>, Option<OnDemandSocket>), Vec<String>> {
        let is_roots = read.open.is_empty();
        if is_roots && common.on_demand.is_off() {
            return Ok((Vec::new(), None));
        }
        let directory = self.path.parent().unwrap_or(self.root).to_path_buf();
        let world = System::new([].into(), directory)
            .without_sources()
            .with_file(self.path.to_path_buf(), read);
        let on_demand_socket = OnDemandSocket::of(&common.on_demand, self.name, &world);
        let on_demand_socket = on_demand_socket.map_err(|wrong| vec![public(&wrong)])?;
        if is_roots && world.open_files().is_empty() {
            return Ok((Vec::new(), on_demand_socket));
        }
        let emperor = emperor(self.root).map_err(|problem| vec![problem])?;
        let (emperor, _) = emperor.unwrap_or_default();
        let judgement = judge_writers(&emperor, self.name, &world).map_err(|wrong| vec![public(&wrong)])?;
        // Safe for the unit's text: these findings contain paths and names of users, and no values.
        let lines = |found: &[Diagnostic]| found.iter().map(ToString::to_string).collect();
        match judgement.errors.as_slice() {
            [] => Ok((lines(&judgement.warnings), on_demand_socket)),
            errors => Err(lines(errors)),
        }
    }
}
