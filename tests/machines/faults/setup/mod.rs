//! The vassals that faults are inflicted on, and the faults.

pub mod cell;
pub mod inflict;
pub mod scene;
pub mod tenant;
pub mod unit;
