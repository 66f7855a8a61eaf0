//! glob(3) for `for-glob` and `emperor`: sorted, directories marked with `/`, hidden names only when asked for, no braces (C12).

use crate::machine::world::World;

/// The names that match the pattern, or the pattern itself if none does (C12). `names` is how many names may be looked
/// at, and is reduced accordingly; `None` if it was not sufficient.
pub(crate) fn matches(pattern: &[u8], world: &dyn World, names: &mut usize) -> Option<Vec<Vec<u8>>> {
    let mut found = existing(pattern, world, names)?;
    if found.is_empty() {
        found.push(without_slashes(pattern).0.to_vec());
    }
    Some(found)
}

/// The names that match the pattern, sorted. `names` is how many names may be looked at, and is reduced accordingly;
/// `None` if it was not sufficient.
pub(crate) fn existing(pattern: &[u8], world: &dyn World, names: &mut usize) -> Option<Vec<Vec<u8>>> {
    let (pattern, kind) = without_slashes(pattern);
    let mut search = Search {
        world,
        kind,
        found: Vec::new(),
        names,
    };
    let is_absolute = pattern.starts_with(b"/");
    let components: Vec<&[u8]> = pattern.split(|&byte| byte == b'/').collect();
    let start = if is_absolute { 1 } else { 0 };
    let base: &[u8] = if is_absolute { b"/" } else { b"" };
    search.descend(base, components.get(start..).unwrap_or_default())?;
    let mut found = search.found;
    found.sort();
    Some(found)
}

/// Whether a name matches one component of a pattern.
pub(crate) fn is_match(component: &[u8], name: &[u8]) -> bool {
    match is_pattern(component) {
        true => is_shown(component, name) && fits(component, name),
        false => unescaped(component) == name,
    }
}

/// The type of names that the end of a pattern matches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Directory,
}

/// The pattern as glibc treats it: slashes at its end are removed (but not its last two bytes), and a wildcard at the
/// end then matches directories only; of exactly two slashes at the start one is removed (measured).
fn without_slashes(pattern: &[u8]) -> (&[u8], Kind) {
    let mut rest = pattern;
    while let Some(shorter) = rest.strip_suffix(b"/").filter(|shorter| shorter.len() > 1) {
        rest = shorter;
    }
    let kind = if rest.len() < pattern.len() {
        Kind::Directory
    } else {
        Kind::Any
    };
    match rest {
        [b'/', name @ ..]
            if name.starts_with(b"/") && name.iter().filter(|&&byte| byte == b'/').count() == 1 =>
        {
            (name, kind)
        }
        _ => (rest, kind),
    }
}

struct Search<'a> {
    world: &'a dyn World,
    kind: Kind,
    found: Vec<Vec<u8>>,
    names: &'a mut usize,
}

impl Search<'_> {
    /// Matches the first component in `base`, the path matched so far: empty, or ending in `/`.
    fn descend(&mut self, base: &[u8], components: &[&[u8]]) -> Option<()> {
        let Some((component, rest)) = components.split_first() else {
            return Some(());
        };
        if !is_pattern(component) {
            return self.step(&[base, &unescaped(component)].concat(), rest);
        }
        let directory = if base.is_empty() { &b"."[..] } else { base };
        let mut names = self.world.list_dir(directory).unwrap_or_default();
        names.extend([b".".to_vec(), b"..".to_vec()]);
        *self.names = self.names.checked_sub(names.len())?;
        names.sort();
        for name in names
            .iter()
            .filter(|name| is_shown(component, name) && fits(component, name))
        {
            let path = [base, name].concat();
            if !self.leaves_out(&path, rest) {
                self.step(&path, rest)?;
            }
        }
        Some(())
    }

    /// Continues behind a matched path, or records it. A directory gets a final `/`, even if there is one already.
    fn step(&mut self, path: &[u8], rest: &[&[u8]]) -> Option<()> {
        let is_dir = self.world.is_dir(path);
        match (is_dir, rest.is_empty()) {
            (true, true) => self.found.push([path, b"/"].concat()),
            (true, false) => self.descend(&[path, b"/"].concat(), rest)?,
            (false, true) if self.world.inode(path).is_some() => self.found.push(path.to_vec()),
            (false, _) => {}
        }
        Some(())
    }

    /// Whether the name is no match because the pattern ends in a slash behind a wildcard.
    fn leaves_out(&self, path: &[u8], rest: &[&[u8]]) -> bool {
        rest.is_empty() && self.kind == Kind::Directory && !self.world.is_dir(path)
    }
}

/// Hidden names match only a pattern that begins with a dot.
fn is_shown(component: &[u8], name: &[u8]) -> bool {
    !name.starts_with(b".") || component.starts_with(b".") || component.starts_with(b"\\.")
}

/// Whether a component contains a wildcard.
pub(crate) fn is_pattern(component: &[u8]) -> bool {
    let mut escaped = false;
    let mut open = false;
    for &byte in component {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'*' | b'?' => return true,
            b'[' => open = true,
            b']' if open => return true,
            _ => {}
        }
    }
    false
}

fn unescaped(component: &[u8]) -> Vec<u8> {
    let mut name = Vec::with_capacity(component.len());
    let mut bytes = component.iter();
    while let Some(&byte) = bytes.next() {
        name.push(if byte == b'\\' {
            *bytes.next().unwrap_or(&b'\\')
        } else {
            byte
        });
    }
    name
}

/// Matches one component as fnmatch(3). It backtracks only to the last `*`, so the time is at most the product of both
/// lengths.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let rest = pattern.get(p..).unwrap_or_default();
        if rest.first() == Some(&b'*') {
            star = Some((p + 1, n));
            p += 1;
            continue;
        }
        match name.get(n).and_then(|&byte| one(rest, byte)) {
            Some(length) => (p, n) = (p + length, n + 1),
            None => match star {
                Some((after, at)) => {
                    star = Some((after, at + 1));
                    (p, n) = (after, at + 1);
                }
                None => return false,
            },
        }
    }
    pattern
        .get(p..)
        .unwrap_or_default()
        .iter()
        .all(|&byte| byte == b'*')
}

/// Whether the first element of the pattern matches the byte, and that element's length.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', rest @ ..] => match set(rest, byte) {
            Some((true, length)) => Some(length + 1),
            Some((false, _)) => None,
            None => (byte == b'[').then_some(1),
        },
        [literal, ..] => (*literal == byte).then_some(1),
        [] => None,
    }
}

/// A bracket expression after its `[`: whether it contains the byte, and its length; `None` if it is not closed.
fn set(pattern: &[u8], byte: u8) -> Option<(bool, usize)> {
    let is_negated = matches!(pattern.first(), Some(b'!' | b'^'));
    let first = usize::from(is_negated);
    let mut at = first;
    let mut found = false;
    loop {
        let rest = pattern.get(at..)?;
        match rest {
            [b']', ..] if at > first => return Some((found != is_negated, at + 1)),
            [b'[', b':', class @ ..] if class_end(class).is_some() => {
                let end = class_end(class)?;
                found |= in_class(class.get(..end)?, byte);
                at += end + 4;
            }
            _ => {
                let (low, length) = set_member(rest)?;
                match rest.get(length..)? {
                    [b'-', tail @ ..] if tail.first().is_some_and(|&next| next != b']') => {
                        let (high, high_length) = set_member(tail)?;
                        found |= (low..=high).contains(&byte);
                        at += length + 1 + high_length;
                    }
                    _ => {
                        found |= low == byte;
                        at += length;
                    }
                }
            }
        }
    }
}

fn set_member(pattern: &[u8]) -> Option<(u8, usize)> {
    match pattern {
        [b'\\', escaped, ..] => Some((*escaped, 2)),
        [byte, ..] => Some((*byte, 1)),
        [] => None,
    }
}

fn class_end(class: &[u8]) -> Option<usize> {
    class.windows(2).position(|pair| pair == b":]")
}

fn in_class(name: &[u8], byte: u8) -> bool {
    match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"xdigit" => byte.is_ascii_hexdigit(),
        b"cntrl" => byte.is_ascii_control(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"graph" => byte.is_ascii_graphic(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
