//! Vassals on demand, which the first connection to a socket starts (EMP-28): where the address of that socket is
//! written.

use crate::diagnostic::{Diagnostic, Origin};
use crate::emperor::name::VassalName;
use crate::language::evaluation::entry::Entry;
use crate::limits::FILE_BYTES;
use crate::machine::world::{ReadError, World};
use crate::options::id::Id;
use vassal_escape::printable;
use vassal_escape::unit_name::escape;

/// errno(3), as in [`ReadError::Failed`].
const ENOENT: i32 = 2;

/// The directory in which vassal-emperor stores the output of the `emperor-on-demand-exec` command for each vassal, by
/// unit instance.
pub const ANSWERS: &str = "/run/vassal/.on-demand";

/// The options `emperor-on-demand-*`. If several apply to a vassal, the file takes precedence, then the command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OnDemand {
    /// `emperor-on-demand-extension`: the address is the first line of a file whose name is that of the vassal's file
    /// plus this extension.
    pub extension: Option<Vec<u8>>,
    /// `emperor-on-demand-exec`: a command that gets the name of the vassal's file and prints the address or nothing.
    /// vassal-emperor runs it; other programs read its stored output.
    pub command: Option<Vec<u8>>,
    /// `emperor-on-demand-directory`: every vassal has a unix socket in this directory, with the vassal's name.
    pub directory: Option<(Vec<u8>, Origin)>,
}

/// An address in the form in which it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The address.
    pub address: Vec<u8>,
    /// Where it is written.
    pub origin: Origin,
}

impl OnDemand {
    /// Takes `entry`, if it is one of these options. Returns whether it is.
    ///
    /// # Errors
    /// A directory that is not an absolute path.
    pub fn add(&mut self, entry: &Entry) -> Result<bool, Diagnostic> {
        let value = entry.value.clone().unwrap_or_default();
        match entry.id() {
            Some(Id::EmperorOnDemandExtension) => self.extension = Some(value),
            Some(Id::EmperorOnDemandExec) => self.command = Some(value),
            Some(Id::EmperorOnDemandDirectory) => {
                if value.first() != Some(&b'/') {
                    let message = format!("{}: not an absolute path", printable(&value));
                    let error = Diagnostic::error(Some(entry.origin.clone()), message);
                    return Err(error.with_hint("begin it with '/'"));
                }
                self.directory = Some((value, entry.origin.clone()));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Whether there are no vassals on demand.
    pub fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// The name of the file, beside the vassal's, that contains the address.
    pub fn file_of(&self, name: &VassalName) -> Option<Vec<u8>> {
        let extension = self.extension.as_ref()?;
        Some([name.file(), extension.clone()].concat())
    }

    /// The address of the vassal's socket; `None` if it is not on demand. The working directory of `world` must be that
    /// of the vassal's file.
    /// # Errors
    /// A file that cannot be read, or has no address.
    pub fn written(&self, name: &VassalName, world: &dyn World) -> Result<Option<Written>, Diagnostic> {
        if let Some(file) = self.file_of(name) {
            let origin = Origin::File {
                name: file.as_slice().into(),
                line: 1,
                column: 1,
            };
            if let Some(address) = first_line(&file, world)? {
                return Ok(Some(Written { address, origin }));
            }
        }
        if self.command.is_some() {
            let file = answer_of(name);
            let Some(address) = first_line(file.as_bytes(), world)? else {
                let message = "emperor-on-demand-exec has not been asked for its address yet";
                return Err(Diagnostic::error(None, message).with_hint("vassal-emperor.service asks it"));
            };
            if !address.is_empty() {
                let origin = Origin::CommandLine;
                return Ok(Some(Written { address, origin }));
            }
        }
        Ok(self.directory.as_ref().map(|(directory, origin)| Written {
            address: [directory, &b"/"[..], name.bytes(), b".socket"].concat(),
            origin: origin.clone(),
        }))
    }
}

/// The file with the command's output for a vassal.
pub fn answer_of(name: &VassalName) -> String {
    format!("{ANSWERS}/{}", escape(name.bytes()))
}

/// The first line of a file; `None` if there is no such file.
fn first_line(file: &[u8], world: &dyn World) -> Result<Option<Vec<u8>>, Diagnostic> {
    match world.read_file(file, FILE_BYTES) {
        Err(ReadError::Failed { errno: ENOENT }) => Ok(None),
        Err(error) => {
            let message = format!("{}: cannot read it: {error}", printable(file));
            Err(Diagnostic::error(None, message))
        }
        Ok(text) => {
            let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
            Ok(Some(first.trim_ascii().to_vec()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;
    use crate::machine::fake::FakeWorld;

    #[test]
    fn the_first_line_of_the_file_beside_counts_and_else_the_directory() {
        let world = FakeWorld::with(&[("a.ini.socket", " 127.0.0.1:7001 \nmore\n"), ("c.ini.socket", "")]);
        let mut on_demand = OnDemand::default();
        assert!(on_demand.is_off());
        let address = |on_demand: &OnDemand, name: &str| {
            let written = on_demand.written(&VassalName::parse(name.as_bytes()).unwrap(), &world);
            written
                .unwrap()
                .map(|written| String::from_utf8(written.address).unwrap())
        };
        assert!(on_demand.add(&entry("emperor-on-demand-ext", ".socket")).unwrap());
        assert_eq!(address(&on_demand, "a").as_deref(), Some("127.0.0.1:7001"));
        assert_eq!(address(&on_demand, "b"), None);
        assert_eq!(address(&on_demand, "c").as_deref(), Some(""));
        assert!(
            on_demand
                .add(&entry("emperor-on-demand-directory", "/run/od"))
                .unwrap()
        );
        assert_eq!(address(&on_demand, "a").as_deref(), Some("127.0.0.1:7001"));
        assert_eq!(address(&on_demand, "b").as_deref(), Some("/run/od/b.socket"));
        on_demand.extension = None;
        assert!(
            on_demand
                .add(&entry("emperor-on-demand-exec", "/bin/where"))
                .unwrap()
        );
        assert!(
            on_demand
                .written(&VassalName::parse(b"b").unwrap(), &world)
                .is_err(),
            "not asked"
        );
        let world = FakeWorld::with(&[
            ("/run/vassal/.on-demand/a", ":7002\n"),
            ("/run/vassal/.on-demand/b", ""),
        ]);
        let address = |name: &str| {
            let written = on_demand.written(&VassalName::parse(name.as_bytes()).unwrap(), &world);
            written
                .unwrap()
                .map(|written| String::from_utf8(written.address).unwrap())
        };
        assert_eq!(address("a").as_deref(), Some(":7002"));
        assert_eq!(address("b").as_deref(), Some("/run/od/b.socket"));
        assert!(on_demand.add(&entry("emperor-on-demand-dir", "od")).is_err());
        assert!(!on_demand.add(&entry("emperor", "/v")).unwrap());
    }
}
