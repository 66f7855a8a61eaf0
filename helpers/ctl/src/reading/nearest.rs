//! Finds the known name for which a misspelled one probably stands.

use strsim::damerau_levenshtein;

/// The most letters that may be wrong, missing, superfluous or swapped.
const MOST: usize = 2;

/// The one of `known` that is nearest to `name`; `None` if even that has more than two mistakes, or more than one in
/// three letters.
pub fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let most = MOST.min(name.chars().count() / 3);
    let distances = known.map(|each| (damerau_levenshtein(name, each), each));
    let near = distances.filter(|(distance, _)| (1..=most).contains(distance));
    near.min().map(|(_, each)| each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_near_and_another_word_is_not() {
        const KNOWN: [&str; 5] = ["processes", "mountpoint-check", "exec-as-user", "uid", "gid"];
        let near = |name| nearest(name, KNOWN.into_iter());
        assert_eq!(near("proceses"), Some("processes"));
        assert_eq!(near("mountpoint-chek"), Some("mountpoint-check"));
        assert_eq!(near("exec-as-usr"), Some("exec-as-user"));
        assert_eq!(near("uids"), Some("uid"));
        assert_eq!(near("project"), None);
        assert_eq!(near("ui"), None);
    }
}
