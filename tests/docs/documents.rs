//! The documents of the repository among themselves: links, packages, and the Makefile's suites.

use crate::text::{between, files, quoted, read, root};
use std::collections::BTreeSet;

/// The documents at the top, and those of docs/.
fn documents() -> Vec<String> {
    let top = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
    ];
    let top = top.map(str::to_owned).into_iter();
    top.chain(files("docs", ".md")).collect()
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let mut seen = 0;
    for document in documents() {
        let directory = document.rsplit_once('/').map_or("", |(directory, _)| directory);
        for rest in read(&document).split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or_default();
            if target.contains("://") || target.is_empty() {
                continue;
            }
            seen += 1;
            let path = root().join(directory).join(target);
            assert!(
                path.exists(),
                "{document} links to '{target}', which does not exist"
            );
        }
    }
    assert!(seen > 10, "only {seen} links");
}

#[test]
fn every_page_that_a_document_names_exists() {
    let pages: BTreeSet<_> = files("packaging/man", "")
        .iter()
        .filter_map(|path| path.rsplit_once('/').map(|(_, page)| page.to_owned()))
        .collect();
    for document in documents() {
        let text = read(&document);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-.@()".contains(c)));
        for word in words.filter(|word| word.starts_with("vassal")) {
            let Some((name, rest)) = word.split_once('(') else {
                continue;
            };
            let page = format!("{name}.{}", rest.split(')').next().unwrap_or_default());
            let is_page = page.ends_with(|c: char| c.is_ascii_digit());
            assert!(
                !is_page || pages.contains(&page),
                "{document} names {word}, which does not exist"
            );
        }
    }
}

#[test]
fn the_package_has_the_documents_that_its_pages_name() {
    let installed = read("packaging/debian/vassal.docs");
    for name in installed.lines() {
        assert!(
            root().join(name).exists(),
            "vassal.docs installs '{name}', which does not exist"
        );
    }
    let page = read("packaging/man/vassal.7").replace("\\-", "-");
    for name in page.split_whitespace().filter(|word| word.ends_with(".md")) {
        assert!(
            installed.contains(name),
            "vassal(7) names {name}, which is not installed"
        );
    }
}

/// The suites on booted machines, by tests/Cargo.toml.
fn machine_suites() -> BTreeSet<String> {
    let manifest = read("tests/Cargo.toml");
    let tests = manifest.split("[[test]]\n").skip(1);
    let suites = tests.filter(|test| test.contains("path = \"machine"));
    suites
        .map(|test| between(test, "name = \"", "\"").to_owned())
        .collect()
}

#[test]
fn every_machine_suite_is_a_target_of_make_and_explained() {
    let suites = machine_suites();
    assert!(suites.len() > 5, "{suites:?}");
    let makefile = read("Makefile");
    let targets = between(&makefile, "\nMACHINE_SUITES := ", "\n");
    let targets: BTreeSet<_> = targets.split(' ').map(str::to_owned).collect();
    assert_eq!(targets, suites, "Makefile (left) and tests/Cargo.toml (right)");
    let explained = quoted(&read("CONTRIBUTING.md"));
    for suite in suites {
        let target = format!("make {suite}");
        assert!(
            explained.contains(&target),
            "CONTRIBUTING.md does not explain '{target}'"
        );
    }
}

#[test]
fn every_target_of_make_that_a_document_names_exists() {
    let makefile = read("Makefile");
    let phony = between(&makefile, ".PHONY: ", "\n").replace("$(MACHINE_SUITES)", "");
    let suites = machine_suites();
    let targets: BTreeSet<_> = phony
        .split_whitespace()
        .chain(suites.iter().map(String::as_str))
        .collect();
    for document in documents() {
        for text in quoted(&read(&document)) {
            let Some(target) = text.strip_prefix("make ") else {
                continue;
            };
            let target = target.split(' ').next().unwrap_or_default();
            assert!(
                targets.contains(target),
                "{document} names 'make {target}', which does not exist"
            );
        }
    }
}
