//! Evaluates arguments and lines to the final list. First comes the state, then `impl Evaluator` blocks that work on
//! it, one file for each concern.
//!
//! Rooms, each of which uses only those before it: entry, list, custom, arguments, blocks, reading, evaluator, run_custom, run_block,
//! add, load, passes, run_option, evaluate.

pub(crate) mod add;
pub(crate) mod arguments;
pub(crate) mod blocks;
pub(crate) mod custom;
pub mod entry;
pub mod evaluate;
pub(crate) mod evaluator;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod passes;
pub(crate) mod reading;
pub(crate) mod run_block;
pub(crate) mod run_custom;
pub(crate) mod run_option;
