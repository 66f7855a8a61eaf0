//! Values as text.

pub mod amounts;
pub mod rows;
pub mod vassal_json;
