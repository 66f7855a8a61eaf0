//! The encoding of the reading process's input and output for a pipe.

use super::answer::{Answer, Cache, CachedFile, Content, Found, ListedFile, Watched};
use crate::reconcile::Stamp;
use vassal_config::emperor::vassals::name_of;
use vassal_generator::drop_in::Text;
use vassal_generator::pack::{Fields, pack, unpack};

impl Cache {
    /// Encodes it.
    pub fn pack(&self) -> Vec<u8> {
        let files = self.files.iter().flat_map(|(file, before)| {
            let CachedFile {
                dates,
                content,
                socket,
            } = before;
            let content = content.to_le_bytes().to_vec();
            [file.clone(), dates.clone(), content, pack_hash(*socket)]
        });
        let settings = self.settings.to_le_bytes().to_vec();
        pack(&[settings].into_iter().chain(files).collect::<Fields>())
    }

    /// Decodes it. Wrong input counts as no results.
    pub fn unpack(bytes: &[u8]) -> Self {
        let fields = unpack(bytes).unwrap_or_default();
        let Some((settings, files)) = fields.split_first() else {
            return Self::default();
        };
        let file = |fields: &[Vec<u8>]| match fields {
            [file, dates, content, socket] => {
                let before = CachedFile {
                    dates: dates.clone(),
                    content: number(content)?,
                    socket: unpack_hash(socket)?,
                };
                Some((file.clone(), before))
            }
            _ => None,
        };
        Self {
            settings: number(settings).unwrap_or_default(),
            files: files.chunks(4).filter_map(file).collect(),
        }
    }
}

fn number(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn signed(bytes: &[u8]) -> Option<i64> {
    Some(i64::from_le_bytes(bytes.try_into().ok()?))
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

fn pack_list(texts: &[String]) -> Vec<u8> {
    pack(texts)
}

fn unpack_list(bytes: &[u8]) -> Option<Vec<String>> {
    unpack(bytes)?.iter().map(|field| text(field)).collect()
}

/// A list with one field or none.
fn pack_optional(value: Option<&[u8]>) -> Vec<u8> {
    pack(&value.into_iter().collect::<Vec<_>>())
}

fn unpack_optional(bytes: &[u8]) -> Option<Option<Vec<u8>>> {
    Some(unpack(bytes)?.into_iter().next())
}

fn pack_hash(value: Option<u64>) -> Vec<u8> {
    pack_optional(value.map(u64::to_le_bytes).as_ref().map(|bytes| &bytes[..]))
}

fn unpack_hash(bytes: &[u8]) -> Option<Option<u64>> {
    let hash = unpack_optional(bytes)?;
    hash.map_or(Some(None), |hash| number(&hash).map(Some))
}

impl Watched {
    /// Encodes several.
    pub fn pack(all: &[Watched]) -> Fields {
        let fields = |watched: &Watched| {
            let content = vec![u8::from(watched.has_content)];
            [
                watched.directory.clone(),
                pack_optional(watched.name.as_deref()),
                content,
            ]
        };
        all.iter().flat_map(fields).collect()
    }

    /// Decodes it.
    pub fn unpack(fields: &[Vec<u8>]) -> Vec<Watched> {
        let watched = |fields: &[Vec<u8>]| match fields {
            [directory, name, content] => Some(Watched {
                directory: directory.clone(),
                name: unpack_optional(name)?,
                has_content: *content == [1],
            }),
            _ => None,
        };
        fields.chunks(3).filter_map(watched).collect()
    }
}

impl Found {
    /// Encodes it.
    pub fn pack(self) -> Fields {
        match self {
            Found::File(content) => vec![
                b"file".to_vec(),
                content.dates,
                content.changed.to_le_bytes().to_vec(),
                content.stamp.modified.to_le_bytes().to_vec(),
                content.stamp.content.to_le_bytes().to_vec(),
                vec![u8::from(content.is_known), u8::from(content.is_whole)],
                pack_optional(content.drop_in.as_ref().map(Text::pack).as_deref()),
                pack_hash(content.socket),
                pack_list(&content.problems),
                pack(&Watched::pack(&content.watched)),
            ],
            Found::NoFile => vec![b"none".to_vec()],
            Found::Unreadable(why) => vec![b"unreadable".to_vec(), why.into_bytes()],
        }
    }

    /// Decodes it.
    pub fn unpack(fields: &[Vec<u8>]) -> Option<Self> {
        match fields {
            [
                what,
                dates,
                changed,
                modified,
                content,
                flags,
                drop_in,
                socket,
                problems,
                watched,
            ] if what == b"file" => {
                let drop_in = unpack_optional(drop_in)?.map(|bytes| Text::unpack(&bytes));
                Some(Found::File(Content {
                    dates: dates.clone(),
                    changed: signed(changed)?,
                    stamp: Stamp {
                        modified: signed(modified)?,
                        content: number(content)?,
                    },
                    is_known: flags.first() == Some(&1),
                    is_whole: flags.get(1) == Some(&1),
                    drop_in: drop_in.flatten(),
                    socket: unpack_hash(socket)?,
                    problems: unpack_list(problems)?,
                    watched: Watched::unpack(&unpack(watched)?),
                }))
            }
            [what] if what == b"none" => Some(Found::NoFile),
            [what, why] if what == b"unreadable" => Some(Found::Unreadable(text(why)?)),
            _ => None,
        }
    }
}

impl Answer {
    /// Encodes it.
    pub fn pack(self) -> Vec<u8> {
        let files = self
            .files
            .into_values()
            .flat_map(|ListedFile { file, place, found }| [file, place, pack(&found.pack())]);
        pack(&[
            pack_optional(self.unusable.as_deref().map(str::as_bytes)),
            self.settings.to_le_bytes().to_vec(),
            pack(&files.collect::<Fields>()),
            pack(&self.unreadable),
            pack(&self.absent),
            pack(&Watched::pack(&self.watched)),
            pack_optional(self.statistics.as_deref().map(str::as_bytes)),
            pack_list(&self.problems),
        ])
    }

    /// Decodes it.
    pub fn unpack(bytes: &[u8]) -> Option<Self> {
        let fields = unpack(bytes)?;
        let [
            unusable,
            settings,
            files,
            unreadable,
            absent,
            watched,
            statistics,
            problems,
        ] = fields.as_slice()
        else {
            return None;
        };
        let listed = |fields: &[Vec<u8>]| match fields {
            [file, place, found] => {
                let found = Found::unpack(&unpack(found)?)?;
                Some((
                    name_of(file).ok()?,
                    ListedFile {
                        file: file.clone(),
                        place: place.clone(),
                        found,
                    },
                ))
            }
            _ => None,
        };
        Some(Self {
            unusable: unpack_optional(unusable)?.and_then(|why| text(&why)),
            settings: number(settings)?,
            files: unpack(files)?.chunks(3).map(listed).collect::<Option<_>>()?,
            unreadable: unpack(unreadable)?,
            absent: unpack(absent)?,
            watched: Watched::unpack(&unpack(watched)?),
            statistics: unpack_optional(statistics)?.and_then(|drop_in| text(&drop_in)),
            problems: unpack_list(problems)?,
        })
    }
}
