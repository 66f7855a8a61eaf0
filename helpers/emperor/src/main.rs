#![forbid(unsafe_code)]
mod reconcile;
mod systemd1;
mod source { pub mod answer; pub mod scan; }
fn main() {}
