//! The list of all entries, in the order in which they were added (M0.1).

use std::collections::HashMap;

use crate::language::evaluation::entry::Entry;

/// An entry of the list.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) entry: Entry,
    /// Whether its effect was run, or must never be run: then it is neither expanded nor applied any more (M0.1, E2).
    pub(crate) done: bool,
}

/// The entries, and the first one for each key.
#[derive(Debug, Default)]
pub(crate) struct List {
    items: Vec<Item>,
    first: HashMap<Vec<u8>, usize>,
    bytes: usize,
}

impl List {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// The length of all keys and values when they were added, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn push(&mut self, entry: Entry, done: bool) {
        self.bytes += entry.key.len() + entry.value.as_ref().map_or(0, Vec::len);
        self.first.entry(entry.key.clone()).or_insert(self.items.len());
        self.items.push(Item { entry, done });
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Item> {
        self.items.get(index)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Item> {
        self.items.iter()
    }

    pub(crate) fn mark_done(&mut self, index: usize) {
        if let Some(item) = self.items.get_mut(index) {
            item.done = true;
        }
    }

    pub(crate) fn set_value(&mut self, index: usize, value: Vec<u8>) {
        if let Some(item) = self.items.get_mut(index) {
            item.entry.value = Some(value);
        }
    }

    /// The position of the first entry with this key.
    pub(crate) fn position(&self, key: &[u8]) -> Option<usize> {
        self.first.get(key).copied()
    }

    /// The present value of the first entry with this key (E7, C6). If that is a flag without a value from the command
    /// line, later values are hidden (A1).
    pub(crate) fn value(&self, key: &[u8]) -> Option<&[u8]> {
        let index = self.first.get(key)?;
        self.items.get(*index)?.entry.value.as_deref()
    }

    pub(crate) fn into_entries(self) -> Vec<Entry> {
        self.items.into_iter().map(|item| item.entry).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Origin;

    fn push(list: &mut List, key: &str, value: Option<&str>) {
        let value = value.map(|value| value.as_bytes().to_vec());
        list.push(Entry::new(key.into(), value, Origin::CommandLine), false);
    }

    #[test]
    fn the_first_value_of_a_key_counts() {
        let mut list = List::default();
        push(&mut list, "a", Some("1"));
        push(&mut list, "a", Some("2"));
        assert_eq!(list.value(b"a"), Some(&b"1"[..]));
        list.set_value(0, b"3".to_vec());
        assert_eq!(list.value(b"a"), Some(&b"3"[..]));
        assert_eq!(list.value(b"b"), None);
    }

    #[test]
    fn a_bare_flag_hides_later_values() {
        let mut list = List::default();
        push(&mut list, "master", None);
        push(&mut list, "master", Some("5"));
        assert_eq!(list.value(b"master"), None);
    }
}
