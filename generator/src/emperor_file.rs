//! Reads emperor.ini and lists the directories that it names, in the children of [`crate::apart`].

use crate::answer::{NO_ANSWER, Wanted, pack_result, unpack_result};
use crate::apart;
use crate::drop_in::{self, Common};
use crate::pack::Fields;
use crate::read;
use std::path::Path;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::settings::Emperor;
use vassal_config::vassal::address::listen_stream;

/// The part of emperor.ini that units are made of, read in a child process; `None` when there is no such file.
///
/// # Errors
/// A file that is wrong, or that could not be read in time.
pub fn emperor(root: &Path) -> Result<Option<Wanted>, String> {
    let answers = apart::each(&[()], |()| answer(root));
    let answers = answers.map_err(|error| format!("cannot read emperor.ini: {error}"))?;
    of_answer(answers.into_iter().next().flatten())
}

/// Reads emperor.ini; called in a child.
pub fn answer(root: &Path) -> Fields {
    pack_result(read::emperor(root).map(|found| match found {
        None => Fields::new(),
        Some((emperor, mut problems)) => {
            let wanted = Wanted {
                nofollow: emperor.nofollow,
                common: Common::of(&emperor),
                statistics: statistics_of(&emperor, &mut problems),
                places: emperor.places,
                problems,
            };
            [vec![b"wanted".to_vec()], wanted.pack()].concat()
        }
    }))
}

/// Decodes a child's answer about emperor.ini; `None` stands for a child that did not answer.
///
/// # Errors
/// As [`emperor`].
pub fn of_answer(answer: Option<Fields>) -> Result<Option<Wanted>, String> {
    let fields = unpack_result(answer).map_err(|why| match why.as_str() {
        NO_ANSWER => format!("/etc/vassal/emperor.ini: {why}, so all units stay as they are"),
        _ => why,
    })?;
    match fields.split_first() {
        None => Ok(None),
        Some((_, wanted)) => Wanted::unpack(wanted)
            .map(Some)
            .ok_or_else(|| NO_ANSWER.to_owned()),
    }
}

/// Lists the paths of a place; called in a child.
pub fn files(root: &Path, place: &Place) -> Fields {
    pack_result(place.files(root).map_err(|error| error.to_string()))
}

/// The drop-in of the statistics socket, where emperor.ini has `emperor-stats`.
fn statistics_of(emperor: &Emperor, problems: &mut Vec<String>) -> Option<String> {
    let (address, origin) = emperor.stats.as_ref()?;
    let stream = listen_stream(address);
    if stream.is_none() {
        problems.push(format!(
            "{origin}: emperor-stats: no address that systemd can listen at (write IP:PORT in numbers, or an absolute path), ignoring"
        ));
    }
    stream.map(|stream| drop_in::statistics(address, &stream))
}
