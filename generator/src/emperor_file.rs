//! The emperor's file and the names in its places, as children of [`crate::apart`] answer them.

use crate::answer::{NO_ANSWER, Wanted, pack_result, unpack_result};
use crate::apart;
use crate::drop_in::{self, Common};
use crate::pack::Fields;
use crate::read;
use std::path::Path;
use vassal_config::emperor::place::Place;
use vassal_config::emperor::settings::Emperor;
use vassal_config::vassal::address::listen_stream;

/// What of the emperor's file units need; nothing when there is none. Asked in a process of its own.
///
/// # Errors
/// A file that cannot be made sense of, or not be read in time.
pub fn emperor(root: &Path) -> Result<Option<Wanted>, String> {
    let answers = apart::each(&[()], |()| answer(root));
    let answers = answers.map_err(|error| format!("cannot read emperor.ini: {error}"))?;
    of_answer(answers.into_iter().next().flatten())
}

/// The emperor's file, as a child reads it.
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

/// The emperor's file out of a child's answer, or out of its lack.
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

/// The paths in a place, as a child reads them.
pub fn files(root: &Path, place: &Place) -> Fields {
    pack_result(place.files(root).map_err(|error| error.to_string()))
}

/// The drop-in of the socket of the statistics, where there is one.
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
