//! The documents of the repository among themselves: links, packages, and the Makefile's suites.

use crate::page::between;
use crate::text::{files, quoted, read, root};
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
fn every_function_that_a_document_names_beside_its_file_is_there() {
    let mut seen = 0;
    for document in documents() {
        let text = read(&document);
        // `helpers/ctl/src/main.rs` (`run`, `help`)
        for pair in text.split("` (`").collect::<Vec<_>>().windows(2) {
            let path = pair[0].rsplit('`').next().unwrap_or_default();
            if !path.ends_with(".rs") || path.contains(char::is_whitespace) {
                continue;
            }
            let source = read(path);
            let names = pair[1].split(')').next().unwrap_or_default().split("`, `");
            for name in names.map(|name| name.trim_end_matches('`')) {
                seen += 1;
                let is_there = ["fn ", "struct ", "enum ", "const ", "trait "]
                    .iter()
                    .any(|kind| source.contains(&format!("{kind}{name}")));
                assert!(is_there, "{document} names {name} of {path}, which has none");
            }
        }
    }
    assert!(seen > 3, "only {seen} names");
}

/// The man pages of the package, as `vassal.ini.5`.
fn pages() -> BTreeSet<String> {
    let pages = files("packaging/man", "").into_iter();
    pages
        .filter_map(|path| path.rsplit_once('/').map(|(_, page)| page.to_owned()))
        .collect()
}

/// The pages of ours that a text refers to: `vassal.ini(5)`.
fn references(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "-.@()".contains(c)));
    let page = |word: &str| {
        let (name, rest) = word.split_once('(')?;
        let section = rest.split(')').next().filter(|section| section.len() == 1)?;
        (name.starts_with("vassal") && section.starts_with(|c: char| c.is_ascii_digit()))
            .then(|| format!("{name}.{section}"))
    };
    words.filter_map(page).collect()
}

#[test]
fn every_page_that_a_document_or_a_page_names_exists() {
    let pages = pages();
    // In a page, ".BR vassal.ini (5)," is such a reference.
    let rendered = |path: String| (read(&path).replace("\\-", "-").replace(" (", "("), path);
    let texts = documents().into_iter().map(|path| (read(&path), path));
    for (text, path) in texts.chain(files("packaging/man", "").into_iter().map(rendered)) {
        for page in references(&text) {
            assert!(pages.contains(&page), "{path} names {page}, which does not exist");
        }
    }
}

#[test]
fn the_package_has_the_documents_that_its_pages_name() {
    let installs_all = " README.md docs/*.md\n";
    assert!(
        read("packaging/files.sh").contains(installs_all),
        "packaging/files.sh has no '{installs_all}'"
    );
    for path in files("packaging/man", "") {
        let page = read(&path).replace("\\-", "-");
        for word in page.split_whitespace().filter(|word| word.contains(".md")) {
            let name = word
                .trim_matches([';', ',', '.'])
                .rsplit('/')
                .next()
                .unwrap_or_default();
            assert!(
                root().join("docs").join(name).exists(),
                "{path} names {name}, which is not installed"
            );
        }
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

#[test]
fn the_commands_of_every_guide_are_typed_by_a_test() {
    let tests: String = files("tests/machines", ".rs")
        .iter()
        .map(|path| read(path))
        .collect();
    let mut guides = files("docs", ".md");
    guides.push("README.md".into());
    let has_commands = |path: &&String| read(path).contains("```sh\n") || path.as_str() == "README.md";
    let guides: Vec<_> = guides.iter().filter(has_commands).collect();
    assert!(guides.len() > 3, "{guides:?}");
    for guide in guides {
        let is_typed = tests.contains(&format!("../{guide}\")"));
        assert!(
            is_typed,
            "no test of tests/machines includes {guide}, whose commands it could type"
        );
    }
}
