//! The paths that the kernel itself resolves, as root, when a filesystem is made: the layers of an overlay, the device
//! of a disk. A tenant's link on the way could make it use something else. So they are resolved here without following
//! such links; a path that others could change before the kernel resolves it is passed by descriptor.

use crate::files::safe_open::object;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use vassal_sys::SysError;
use vassal_sys::error::Context;
use vassal_sys::reach::{self, Last};

/// The overlay options that name one directory.
const ONE: [&[u8]; 4] = [b"upperdir", b"workdir", b"lowerdir+", b"datadir+"];
/// The overlay option that names several, separated by colons.
const SEVERAL: &[u8] = b"lowerdir";

/// The paths for the kernel. It has to resolve them with a proc as the working directory: `self/fd/7` stands for
/// descriptor 7 of this process.
#[derive(Debug, Default)]
pub struct Resolved {
    /// The source.
    pub source: Vec<u8>,
    /// The options.
    pub options: Option<Vec<u8>>,
    /// The descriptors in those paths, open until the kernel has resolved them.
    held: Vec<OwnedFd>,
}

impl Resolved {
    /// Whether any path is given by descriptor.
    pub fn has_descriptors(&self) -> bool {
        !self.held.is_empty()
    }
}

/// Resolves the paths in `source` and `options` of a filesystem of type `fstype`.
///
/// # Errors
/// `ELOOP` for a link that is not root's; any error of the kernel.
pub fn resolve(
    (fstype, source): (&[u8], &[u8]),
    options: Option<&[u8]>,
    step: impl Fn() -> String,
) -> Result<Resolved, SysError> {
    let mut held = Vec::new();
    let is_path = source.first() == Some(&b'/');
    let source = match is_path.then(|| find(source, &mut held, &step)).transpose() {
        // Not a device, only a word that looks like a path.
        Err(error) if error.errno == Errno::ENOENT => source.to_vec(),
        found => found?.unwrap_or_else(|| source.to_vec()),
    };
    let options = match options.filter(|_| fstype == b"overlay") {
        Some(options) => Some(overlay(options, &mut held, &step)?),
        None => options.map(<[u8]>::to_vec),
    };
    Ok(Resolved {
        source,
        options,
        held,
    })
}

fn overlay(options: &[u8], held: &mut Vec<OwnedFd>, step: &impl Fn() -> String) -> Result<Vec<u8>, SysError> {
    let mut found = Vec::new();
    for option in split(options, b',') {
        let mut sides = option.splitn(2, |byte| *byte == b'=');
        found.push(match (sides.next().unwrap_or_default(), sides.next()) {
            (key, Some(path)) if ONE.contains(&key) => [key, b"=", &layer(path, held, step)?].concat(),
            (SEVERAL, Some(paths)) => {
                let layers = split(paths, b':').into_iter().map(|path| match path {
                    // An empty path between two colons: the layers after it contain data only.
                    b"" => Ok(Vec::new()),
                    path => layer(path, held, step),
                });
                [SEVERAL, b"=", &layers.collect::<Result<Vec<_>, _>>()?.join(&b':')].concat()
            }
            _ => option.to_vec(),
        });
    }
    Ok(found.join(&b','))
}

/// One directory of an overlay's option, with a backslash before each character that would end it.
fn layer(written: &[u8], held: &mut Vec<OwnedFd>, step: &impl Fn() -> String) -> Result<Vec<u8>, SysError> {
    let mut path = Vec::with_capacity(written.len());
    let mut bytes = written.iter();
    while let Some(byte) = bytes.next() {
        path.push(match byte {
            b'\\' => *bytes.next().unwrap_or(byte),
            other => *other,
        });
    }
    let found = find(&path, held, step)?;
    Ok(if found == path {
        written.to_vec()
    } else {
        escaped(&found)
    })
}

fn escaped(path: &[u8]) -> Vec<u8> {
    let bytes = path.iter().flat_map(|byte| match byte {
        b':' | b',' | b'\\' => vec![b'\\', *byte],
        byte => vec![*byte],
    });
    bytes.collect()
}

/// Returns `path` itself, from the root directory, if nobody but root can have put there what is there; otherwise a
/// path through a descriptor of the present object.
fn find(path: &[u8], held: &mut Vec<OwnedFd>, step: &impl Fn() -> String) -> Result<Vec<u8>, SysError> {
    let shown = Path::new(OsStr::from_bytes(path));
    let there = object(shown, step)?;
    let absolute = std::path::absolute(shown).context(step)?;
    let root = reach::root().context(step)?;
    if reach::judge(&root, &absolute, Last::Followed)
        .context(step)?
        .foreign
        .is_none()
    {
        return Ok(if shown.is_absolute() {
            path.to_vec()
        } else {
            absolute.into_os_string().into_vec()
        });
    }
    let name = format!("self/fd/{}", there.as_raw_fd()).into_bytes();
    held.push(there);
    Ok(name)
}

/// Splits `text` at each `separator` that has no backslash before it.
fn split(text: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut is_escaped = false;
    text.split(|byte| {
        let is_end = *byte == separator && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(options: &str) -> Result<Resolved, SysError> {
        resolve((b"overlay", b"none"), Some(options.as_bytes()), || {
            "look".to_owned()
        })
    }

    #[test]
    fn what_root_alone_can_have_put_there_is_given_as_it_is_written() {
        // The directories of a test are its user's, so only those of the machine's root.
        let options = r"lowerdir=/usr/bin:/usr\/lib::/usr,upperdir=/etc,xino=on,volatile";
        assert_eq!(looked(options).unwrap().options.unwrap(), options.as_bytes());
        let other = resolve((b"tmpfs", b"/absent"), Some(b"upperdir=/absent"), || {
            "look".to_owned()
        })
        .unwrap();
        assert_eq!(
            (other.source.as_slice(), other.options.as_deref()),
            (&b"/absent"[..], Some(&b"upperdir=/absent"[..]))
        );
        assert_eq!(looked("upperdir=/absent").unwrap_err().errno, Errno::ENOENT);
        assert_eq!(escaped(b"/a:b,c\\d"), br"/a\:b\,c\\d");
    }

    #[test]
    fn what_others_can_replace_is_given_by_descriptor() {
        let place = std::env::temp_dir().join(format!("vassal-layers:{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let written = place.to_str().unwrap().replace(':', r"\:");
        let found = looked(&format!("lowerdir=/usr:{written},workdir={written}")).unwrap();
        let options = String::from_utf8(found.options.unwrap()).unwrap();
        std::fs::remove_dir(&place).unwrap();
        let numbers: Vec<_> = found.held.iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(
            options,
            format!(
                "lowerdir=/usr:self/fd/{},workdir=self/fd/{}",
                numbers[0], numbers[1]
            )
        );
    }
}
