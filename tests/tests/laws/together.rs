//! Test files that are one program: a file that is not in it would never run.

use std::collections::BTreeSet;
use std::fs;

use crate::{read, top};

/// Directories whose files are the modules of `all.rs`.
const TOGETHER: [&str; 3] = ["host/flow/tests", "host/nix/tests", "tests/tests"];

#[test]
fn every_test_file_is_in_its_program() {
    for dir in TOGETHER {
        let named: BTreeSet<String> = read(format!("{dir}/all.rs"))
            .lines()
            .filter_map(|line| Some(line.strip_prefix("mod ")?.strip_suffix(';')?.to_owned()))
            .collect();
        let files = fs::read_dir(top().join(dir)).unwrap().map(|entry| entry.unwrap().path());
        let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
        let stems = files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned());
        let files: BTreeSet<String> = stems.filter(|name| name != "all").collect();
        let forgotten: Vec<_> = files.difference(&named).collect();
        assert!(forgotten.is_empty(), "{dir}/all.rs has no `mod` for {forgotten:?}");
    }
}
