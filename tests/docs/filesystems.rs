//! The tables of filesystems in docs/deadlines.md, and what `bench filesystems` tries.

use crate::page::between;
use crate::text::read;
use std::collections::BTreeSet;

const DOCUMENT: &str = "docs/deadlines.md";
const RECIPES: &str = "tests/bench/filesystems/recipes.rs";

/// The names of the recipes for a Debian.
fn recipes(release: &str) -> BTreeSet<String> {
    let text = read(RECIPES);
    let (_, recipes) = text.split_once("pub const RECIPES").unwrap_or_default();
    let is_here =
        |recipe: &&str| !recipe.contains("suites: ON_") || recipe.contains(&format!("suites: ON_{release}"));
    let recipes = recipes.split("    Recipe {\n").skip(1).filter(is_here);
    recipes
        .map(|recipe| between(recipe, "name: \"", "\"").to_owned())
        .collect()
}

/// The names in the first column of a Debian's table, and those below it that could not be mounted.
fn told(release: &str) -> BTreeSet<String> {
    let text = read(DOCUMENT);
    let (_, rest) = text
        .split_once(&format!("\n### Debian {release}\n"))
        .unwrap_or_default();
    let part = rest.split("\n### ").next().unwrap_or_default();
    let rows = part
        .lines()
        .filter_map(|line| line.strip_prefix("| ").or(line.strip_prefix("- ")));
    let names = rows
        .filter_map(|row| row.split(' ').next())
        .filter(|name| *name != "filesystem");
    names.map(str::to_owned).collect()
}

#[test]
fn the_tables_tell_of_each_filesystem_that_is_tried_and_of_no_other() {
    for release in ["12", "13"] {
        let recipes = recipes(release);
        assert!(recipes.len() > 35, "only {} recipes", recipes.len());
        assert_eq!(
            told(release),
            recipes,
            "{DOCUMENT} (left) and {RECIPES} (right), Debian {release}"
        );
    }
}
