//! A tenant who means harm, on booted machines: each test makes one attack and demands that nothing but the
//! tenant's own vassal is touched by it. Who is who: the tenant owns what his uid owns (app, home, upper directory, archive, FUSE
//! daemon); the administrator wrote the INI.
#![forbid(unsafe_code)]

mod asked;
mod channels;
mod configuration;
mod confinement;
mod connections;
mod listeners;
mod on_demand;
mod paths;
mod probes;
mod reloads;
mod strangers;
mod tools;
