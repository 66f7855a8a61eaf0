//! Limits on what a configuration may demand. uWSGI has none, and crashes or runs out of memory (I7, E8, S7). Each
//! limit is far above the needs of a configuration written by a person, and so low that it is reached quickly.

/// Bytes of one configuration or `@(file)`. The longest vassal seen in the field is a few hundred lines, 20 KiB.
pub const FILE_BYTES: usize = 1 << 20;

/// Bytes of all texts read in one evaluation together: sixteen of the largest files.
pub(crate) const TEXT_BYTES: usize = 16 << 20;

/// Files and sources opened in one evaluation; stops `inherit` loops and `ini =` in endless `for-times`.
pub(crate) const FILES: usize = 1024;

/// Files being read at the same time, one including the next. uWSGI dies on a full stack at some 47 000 (I7, X7).
pub(crate) const INCLUDE_DEPTH: usize = 32;

/// Entries in the list: a thousand times a long configuration.
pub(crate) const ENTRIES: usize = 100_000;

/// Bytes of keys and values in the list together, before expansion: as much as may be read.
pub(crate) const LIST_BYTES: usize = TEXT_BYTES;

/// Bytes moved by expansion, all values together; ends references that grow or turn in a circle (E8) within a second.
pub(crate) const EXPANSION_BYTES: usize = 32 << 20;

/// What one replaced reference costs at least, so that references which replace nothing by nothing end too.
pub(crate) const EXPANSION_STEP: usize = 64;

/// Custom options running inside custom options (K2); uWSGI dies on a full stack.
pub(crate) const CUSTOM_DEPTH: usize = 32;

/// Bytes of templates filled in one evaluation, and of what they become: depth alone would allow the width to the power of
/// the depth.
pub(crate) const CUSTOM_BYTES: usize = 8 << 20;

/// What running a custom option costs at least, so that empty templates count.
pub(crate) const CUSTOM_STEP: usize = 256;

/// Longest piece of a line `for-readline` yields: uWSGI reads into 1024 bytes with a NUL at the end (C12).
pub(crate) const READLINE_PIECE: usize = 1023;

/// Bytes of one value: as much as one file may hold.
pub(crate) const VALUE_BYTES: usize = FILE_BYTES;

/// Bytes of one text after magic variables were replaced; a file of `%p` alone would become two thousand times as long.
pub(crate) const REPLACED_BYTES: usize = 4 * FILE_BYTES;

/// Lines in blocks, whose condition is judged for each (C2): many times a long configuration.
pub(crate) const BLOCK_LINES: usize = 20_000;

/// Names taken from directories by `for-glob` in one evaluation: some hundred large directories.
pub(crate) const GLOB_NAMES: usize = 1_000_000;

/// Plugins looked for, times directories looked in.
pub(crate) const PLUGIN_FILES: usize = 10_000;

/// Walks over the list while options are applied, each begun by a declaration that came too late for entries before it (O3).
pub(crate) const WALKS: usize = 200;
