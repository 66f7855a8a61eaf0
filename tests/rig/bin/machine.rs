//! `machine SUITE [--installed]`: boots a machine and keeps it until its standard input ends, for looking around by hand.
#![forbid(unsafe_code)]

use std::io::Read;
use std::process::ExitCode;

use vassal_tests::{Boot, Failure, Suite, installed};

const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let named = |name: &str| Suite::EVERY.into_iter().find(|suite| suite.name() == name);
    let wanted = match arguments[..] {
        [name] => named(name).map(|suite| (suite, Boot::of(suite))),
        [name, "--installed"] => named(name).map(|suite| (suite, Boot::of(suite).layer(&installed(suite)))),
        _ => None,
    };
    let Some((suite, boot)) = wanted else {
        eprintln!("usage: machine bookworm|trixie [--installed]");
        return ExitCode::from(USAGE);
    };
    match keep(suite, boot) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn keep(suite: Suite, boot: Boot) -> Result<(), Failure> {
    let machine = boot.copy_on_write().start()?;
    println!(
        "{} ({suite}) is up: nsenter --all --root --wd --target {}",
        machine.name(),
        machine.leader()
    );
    let mut ignored = Vec::new();
    if let Err(reason) = std::io::stdin().read_to_end(&mut ignored) {
        eprintln!("cannot wait for the end of the input: {reason}");
    }
    Ok(())
}
