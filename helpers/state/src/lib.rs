//! The data that vassal's programs hand to each other: `vassal-enter` to the watchdog over exec ([`handoff`],
//! [`unsent`]), a reload to the watchdog ([`reload_channel`]) and to the emperor ([`reload_outcome`]), one start to the
//! next ([`restart_record`], [`start_place`]); and the health record, which everybody may read ([`health`]).
//!
//! Except for the health record all of it is written and read by root only. Both sides belong to one build, and a
//! record of another build is refused. May import vassal-sys, vassal-systemd and vassal-escape.
//!
//! Rooms, each of which uses only those before it: codec, app, descriptors, unsent, handoff, request, reload_channel,
//! reload_outcome, limit_hits, restart_record, start_place, health.
#![forbid(unsafe_code)]

pub mod app;
pub mod codec;
pub mod descriptors;
pub mod handoff;
pub mod health;
pub mod limit_hits;
pub mod reload_channel;
pub mod reload_outcome;
pub mod request;
pub mod restart_record;
pub mod start_place;
pub mod unsent;
