//! Permissions, warnings and the limits of the list.

use super::*;
use crate::language::testing::evaluated;
use crate::machine::fake::FakeWorld;

#[test]
fn the_same_warning_is_given_once_and_not_for_ever() {
    let mut text = "[uwsgi]\nfor-times=50\nplugin=nope\nend\n".to_owned();
    let found = evaluated(&FakeWorld::with(&[("a.ini", &text)]), "--ini a.ini").expect("is accepted");
    assert_eq!(found.warnings.len(), 1);
    text.push_str(&"plugin=nope\n".repeat(1000));
    let found = evaluated(&FakeWorld::with(&[("a.ini", &text)]), "--ini a.ini").expect("is accepted");
    assert_eq!(found.warnings.len(), WARNINGS);
}

#[test]
fn a_configuration_too_large_for_a_person_is_refused() {
    let text = format!("[uwsgi]\n{}", "for-times=60000\na=1\nend\n".repeat(2));
    let error = evaluated(&FakeWorld::with(&[("a.ini", &text)]), "--ini a.ini").expect_err("is refused");
    assert!(
        error
            .to_string()
            .starts_with("a.ini:6: the configuration has more than 100000 entries"),
        "{error}"
    );
}
