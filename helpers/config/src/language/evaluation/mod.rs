//! From arguments and lines to the final list. The state is in `evaluator`; the other files are what is done with it.

pub(crate) mod arguments;
pub(crate) mod blocks;
pub(crate) mod custom;
pub mod evaluate;
pub(crate) mod evaluator;
pub(crate) mod list;
pub(crate) mod load;
pub(crate) mod passes;
pub(crate) mod run_option;
