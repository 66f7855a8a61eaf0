//! Trying one case, and judging what became of it.

use crate::case::Case;
use crate::complaints::Complaints;
use crate::scene::{Scene, property, shown};

/// The start fails with 78 and is not tried again; the journal has one line from us, and `systemctl status` its place.
pub fn refused(scene: &Scene, case: &Case, complaints: &mut Complaints) {
    complaints.about(scene.machine.suite(), case.name);
    scene.prepare(case);
    let (unit, mounts) = (case.unit(), scene.machine.fuse_connections().len());
    complaints.expect(!scene.starts(&unit), || {
        "systemctl start says that it worked".into()
    });
    is_final(scene, &unit, complaints);
    is_told_once(scene, &unit, case.says, complaints);
    scene.is_gone(&unit, mounts, complaints);
    scene.is_undisturbed(complaints);
    scene.script(case.tidy);
}

/// The unit has failed for good: with the code for a wrong configuration, at the first attempt.
pub fn is_final(scene: &Scene, unit: &str, complaints: &mut Complaints) {
    let seen = scene.properties(unit);
    complaints.equal("ActiveState", property(&seen, "ActiveState"), "failed");
    complaints.equal("Result", property(&seen, "Result"), "exit-code");
    complaints.equal("ExecMainStatus", property(&seen, "ExecMainStatus"), "78");
    complaints.equal("NRestarts", property(&seen, "NRestarts"), "0");
}

/// All that a unit's journal has, apart from systemd's own lines, is one line with these pieces; its status is the place of it.
pub fn is_told_once(scene: &Scene, unit: &str, says: &[&str], complaints: &mut Complaints) {
    let lines = scene.lines(unit, 7);
    let [line] = lines.as_slice() else {
        complaints.expect(false, || {
            format!("{} lines in the journal, not one:{}", lines.len(), shown(&lines))
        });
        return;
    };
    has_pieces(line, says, complaints);
    let status = scene
        .machine
        .run(&["systemctl", "status", "--full", "--lines=0", "--", unit])
        .stdout;
    let told = status
        .lines()
        .find_map(|line| line.trim().strip_prefix("Status: "));
    let told = told.unwrap_or_default().trim_matches('"');
    complaints.expect(is_public(told, line), || {
        format!("the status '{told}' is not the place of '{line}'")
    });
    let errors = scene.lines(unit, 3);
    complaints.expect(errors.len() == 1, || {
        "the line's priority is not that of an error".into()
    });
}

/// Whether a status has the place of a line of the journal, `NAME.ini:LINE`, where that has one, and says where the rest is, as
/// values are not for everybody; or it says what that line says.
fn is_public(status: &str, line: &str) -> bool {
    let place = |text: &str| {
        let (file, rest) = text.split_once(".ini:")?;
        let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some((file.to_owned(), number)).filter(|(_, number)| !number.is_empty())
    };
    if status.contains("the journal says why") {
        return place(status).is_none() || place(status) == place(line);
    }
    !status.is_empty() && line.contains(status)
}

/// A line says all that it has to.
pub fn has_pieces(line: &str, says: &[&str], complaints: &mut Complaints) {
    for piece in says {
        complaints.expect(line.contains(piece), || {
            format!("no '{piece}' in the line:\n    {line}")
        });
    }
}

/// The start fails, is tried again at once, and then after a pause; each attempt is told in one line, and the status says what
/// is waited for and why. The vassal is left in its first pause.
pub fn retried(scene: &Scene, case: &Case, complaints: &mut Complaints) {
    complaints.about(scene.machine.suite(), case.name);
    scene.prepare(case);
    let unit = case.unit();
    complaints.expect(!scene.starts(&unit), || {
        "systemctl start says that it worked".into()
    });
    let status = scene.look(|| {
        let status = scene.machine.unit(&unit, "StatusText");
        status.starts_with("waiting ").then_some(status)
    });
    let status = status.unwrap_or_else(|| format!("none; {:?}", scene.properties(&unit)));
    complaints.expect(status.starts_with("waiting 1 s before attempt 3; last: "), || {
        format!("the status of the first pause is '{status}'")
    });
    complaints.equal("NRestarts", &scene.machine.unit(&unit, "NRestarts"), "2");
    let lines = scene.lines(&unit, 4);
    complaints.expect(lines.len() == 2, || {
        format!("not one line for each of two attempts:{}", shown(&lines))
    });
    lines
        .iter()
        .for_each(|line| has_pieces(line, case.says, complaints));
    let cause = status
        .split_once("last: ")
        .map_or("", |(_, cause)| cause)
        .trim_end_matches("...");
    // What an app itself has said is in the journal, too, but not as a failure.
    let (cause, words) = cause
        .split_once("; the app's last words: ")
        .unwrap_or((cause, ""));
    let said = scene.lines(&unit, 7);
    let is_cause = lines.iter().any(|line| is_public(cause, line));
    let is_cause = is_cause && said.iter().any(|line| line.contains(words));
    complaints.expect(is_cause, || {
        format!("the status '{status}' is not from the journal:{}", shown(&lines))
    });
    scene.is_undisturbed(complaints);
}

/// A vassal in its pause can be stopped, and is gone.
pub fn stops(scene: &Scene, unit: &str, mounts: usize, complaints: &mut Complaints) {
    scene.machine.must(&["systemctl", "stop", "--", unit]);
    complaints.equal(
        "ActiveState after the stop",
        &scene.machine.unit(unit, "ActiveState"),
        "inactive",
    );
    scene.is_gone(unit, mounts, complaints);
}
