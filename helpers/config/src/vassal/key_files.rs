//! The files of certificates and keys in options. uWSGI reads them before it changes its user.

use crate::diagnostic::Origin;
use crate::language::evaluation::entry::Entry;
use crate::options::id::Id;
use std::ops::Range;

/// `ADDRESS,CERTIFICATE,KEY[,CIPHERS[,CA]]`
const BY_PLACE: [Id; 4] = [Id::HttpsSocket, Id::SuwsgiSocket, Id::Https, Id::Sslrouter];
/// `addr=ADDRESS,cert=FILE,key=FILE,...`
const BY_NAME: [Id; 2] = [Id::Https2, Id::Sslrouter2];
/// `NAME CERTIFICATE,KEY[,CIPHERS[,CA]]`
const AFTER_NAME: [Id; 2] = [Id::Sni, Id::SniRegexp];

/// The positions of files in a value, counted from the part before the certificate.
const FILES: [usize; 3] = [1, 2, 4];
/// The names of files in values with named parts.
const NAMES: [&[u8]; 4] = [b"cert=", b"key=", b"ca=", b"client_ca="];

/// A file in an option's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// The index of the entry in the list.
    pub entry: usize,
    /// The position of the path in the entry's value.
    pub range: Range<usize>,
    /// The path.
    pub path: Vec<u8>,
    /// The line.
    pub origin: Origin,
}

/// The files in `entries`, in order.
pub fn key_files(entries: &[Entry]) -> Vec<KeyFile> {
    let of = |(at, entry): (usize, &Entry)| {
        let value = entry.value.as_deref().unwrap_or_default();
        let file = |range: Range<usize>| KeyFile {
            entry: at,
            path: value[range.clone()].to_vec(),
            range,
            origin: entry.origin.clone(),
        };
        let ranges = entry.id().map_or(Vec::new(), |id| ranges(id, value));
        ranges.into_iter().map(file).collect::<Vec<_>>()
    };
    entries.iter().enumerate().flat_map(of).collect()
}

/// The values of those `entries` in which paths in `files` have a replacement in `instead`.
pub fn replaced(
    entries: &[Entry],
    files: &[KeyFile],
    instead: impl Fn(&[u8]) -> Option<Vec<u8>>,
) -> Vec<(usize, Vec<u8>)> {
    let mut values: Vec<(usize, Vec<u8>)> = Vec::new();
    // From the end of a value to its beginning, so that earlier positions remain valid.
    for file in files.iter().rev() {
        let Some(path) = instead(&file.path) else {
            continue;
        };
        let known = values.iter().position(|(entry, _)| *entry == file.entry);
        let at = known.unwrap_or_else(|| {
            let value = entries.get(file.entry).and_then(|entry| entry.value.clone());
            values.push((file.entry, value.unwrap_or_default()));
            values.len() - 1
        });
        values[at].1.splice(file.range.clone(), path);
    }
    values
}

fn ranges(option: Id, value: &[u8]) -> Vec<Range<usize>> {
    let start = if AFTER_NAME.contains(&option) {
        match value.iter().position(|byte| *byte == b' ') {
            Some(space) => space + 1,
            None => return Vec::new(),
        }
    } else {
        0
    };
    // The value of `sni` begins with a name where others have an address.
    let first = usize::from(start > 0);
    let by_place = BY_PLACE.contains(&option) || AFTER_NAME.contains(&option);
    if !by_place && !BY_NAME.contains(&option) {
        return Vec::new();
    }
    let mut at = start;
    let mut found = Vec::new();
    for (index, part) in value[start..].split(|byte| *byte == b',').enumerate() {
        let name = NAMES.iter().find(|name| part.starts_with(name));
        let before = match (by_place, name) {
            (true, _) if FILES.contains(&(index + first)) => Some(0),
            (false, Some(name)) => Some(name.len()),
            _ => None,
        };
        if let Some(before) = before {
            // The mark means that clients must present a certificate of this authority.
            let mark = usize::from(part.get(before) == Some(&b'!'));
            found.push(at + before + mark..at + part.len());
        }
        at += part.len() + 1;
    }
    found.retain(|range| !range.is_empty());
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language::evaluation::entry::entry;

    #[test]
    fn the_files_of_each_option_are_found_and_replaced() {
        const CASES: &[(&str, &str, &str)] = &[
            ("https-socket", ":443,/c,/k", ":443,</c>,</k>"),
            ("https", "=0,/c,/k,HIGH,!/ca", "=0,</c>,</k>,HIGH,!</ca>"),
            ("sslrouter", ":443,/c,/k,,/ca", ":443,</c>,</k>,,</ca>"),
            (
                "https2",
                "addr=:443,cert=/c,key=/k,client_ca=!/ca,spdy=1",
                "addr=:443,cert=</c>,key=</k>,client_ca=!</ca>,spdy=1",
            ),
            (
                "sni",
                "a.example /c,/k,HIGH,/ca",
                "a.example </c>,</k>,HIGH,</ca>",
            ),
            ("sni", "/c", "/c"),
            ("https-socket", ":443", ":443"),
            ("http-socket", ":80,/c,/k", ":80,/c,/k"),
            ("https", "", ""),
        ];
        for (option, value, expected) in CASES {
            let entries = [entry("master", "true"), entry(option, value)];
            let files = key_files(&entries);
            let replaced = replaced(&entries, &files, |path| Some([b"<", path, b">"].concat()));
            let found = replaced.first().map_or(value.as_bytes(), |(at, value)| {
                assert_eq!(*at, 1, "{option}");
                value
            });
            assert_eq!(String::from_utf8_lossy(found), *expected, "{option} = {value}");
        }
    }
}
