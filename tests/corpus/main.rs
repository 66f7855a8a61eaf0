//! The corpus: 124 configurations with what uWSGI 2.0.21 made of them, evaluated by us.
//!
//! A case is a directory of `cases/`: input files, `expected.json` (the final list, or that there is an error) and
//! `meta.json` (arguments, environment and machine). Each runs in a world that shows its directory under the path where it
//! stood when the binary read it, so that magic variables come out the same.

mod case;
mod machine;

use std::path::Path;

use case::{Case, Outcome};

#[test]
fn every_case_comes_out_as_uwsgi_has_it() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/cases");
    let mut names: Vec<_> = std::fs::read_dir(&directory)
        .expect("cases/ is there")
        .map(|entry| entry.expect("cases/ can be listed").path())
        .collect();
    names.sort();
    assert_eq!(names.len(), 124, "cases are missing from {}", directory.display());
    let mut wrong = Vec::new();
    for path in names {
        let case = Case::read(&path);
        let found = case.run();
        if let Err(difference) = compare(&case, &found) {
            wrong.push(format!("{}: {}\n{difference}", path.display(), case.about));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} cases differ:\n\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
}

/// An error is compared as a fact, its text is for people; printed lines are compared in order.
fn compare(case: &Case, found: &Outcome) -> Result<(), String> {
    match (&case.expected, &found.list) {
        (Err(_), Err(_)) => {}
        (Err(error), Ok(list)) => return Err(format!("uWSGI refuses ({error}), we have {list:#?}")),
        (Ok(_), Err(error)) => return Err(format!("we refuse: {error}")),
        (Ok(wanted), Ok(list)) if wanted == list => {}
        (Ok(wanted), Ok(list)) => return Err(format!("wanted {wanted:#?}\nfound {list:#?}")),
    }
    // A refusal brings nothing but its reason, so there are no lines to compare then.
    let is_comparable = case.expected.is_ok() || found.exit.is_some();
    if is_comparable && case.printed != found.printed {
        return Err(format!(
            "wanted to print {:?}, printed {:?}",
            case.printed, found.printed
        ));
    }
    match found.exit {
        Some(code) if i64::from(code) != case.exit => {
            Err(format!("wanted status {}, found {code}", case.exit))
        }
        _ => Ok(()),
    }
}
