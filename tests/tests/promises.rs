//! The table of SECURITY.md, promise and test: each test that it names is there.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::fs;
use std::path::Path;

const PAGE: &str = include_str!("../../SECURITY.md");

/// The rows of the table: what each is about, its promise, and its tests, as `file::test`.
fn rows() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let (_, part) = PAGE.split_once("\n## Promises and tests\n").unwrap();
    let part = part.split_once("\n## ").map_or(part, |(part, _)| part);
    let rows = part.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let rows = rows.skip(1).map(|row| {
        let [about, promise, tests] = row.split(" | ").collect::<Vec<_>>().try_into().unwrap();
        (about, promise, tests.split('`').skip(1).step_by(2).collect())
    });
    rows.collect()
}

/// Why there is no such test.
fn missing(name: &str) -> Option<String> {
    let Some((file, test)) = name.split_once("::") else { return Some(format!("{name} is not file::test")) };
    let Ok(source) = fs::read_to_string(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(file)) else {
        return Some(format!("{file} is not there"));
    };
    let Some((before, _)) = source.split_once(&format!("fn {test}(")) else {
        return Some(format!("{file} has no {test}"));
    };
    // Attributes and comments stand between the mark of a test and its name.
    let marks = before.lines().rev().map(str::trim).skip_while(|line| line.is_empty());
    let mut marks = marks.take_while(|line| line.starts_with("#[") || line.starts_with("//"));
    let marked = marks.any(|line| line == "#[test]");
    (!marked).then(|| format!("{test} in {file} is not a test"))
}

#[test]
fn each_promise_has_tests_that_exist() {
    let wrong: Vec<String> = rows().iter().flat_map(|(_, _, tests)| tests).filter_map(|name| missing(name)).collect();
    assert!(wrong.is_empty(), "SECURITY.md:\n{}", wrong.join("\n"));
}

#[test]
fn everything_that_is_promised_is_in_one_table_once() {
    let rows = rows();
    for (about, promise, tests) in &rows {
        assert!(!tests.is_empty(), "{promise} has no test");
        assert_eq!(rows.iter().filter(|row| row.0 == *about && row.1 == *promise).count(), 1, "{promise}");
    }
    for about in ["git", "consent", "headers", "states", "sandbox", "audit", "intactness", "hints"] {
        assert!(rows.iter().any(|row| row.0 == about), "nothing is promised about {about}");
    }
    assert_eq!(PAGE.matches("| promise |").count(), 1, "there is more than one table");
}

#[test]
fn a_test_that_is_not_there_is_noticed() {
    assert_eq!(missing("tests/tests/promises.rs::each_promise_has_tests_that_exist"), None);
    for wrong in ["tests/tests/none.rs::it", "tests/tests/promises.rs::it", "tests/tests/promises.rs::missing", "prose"]
    {
        assert!(missing(wrong).is_some(), "{wrong}");
    }
}
