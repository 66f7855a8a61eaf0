//! What a finding must look like, whatever the configuration holds (STYLE of messages, security of the journal).

use vassal_config::diagnostic::Diagnostic;

/// Longer than any message of ours: user text is quoted in part, so a file must not be able to flood the journal.
const LONGEST: usize = 8_192;

/// Panics unless the finding is one short line without control characters.
pub fn finding(found: &Diagnostic) {
    let shown = found.to_string();
    assert!(!shown.is_empty(), "a finding says nothing");
    assert!(
        !shown.chars().any(char::is_control),
        "control characters: {shown:?}"
    );
    assert!(shown.len() <= LONGEST, "{} bytes: {shown}", shown.len());
}

/// The same for all of them.
pub fn findings(found: &[Diagnostic]) {
    found.iter().for_each(finding);
}
