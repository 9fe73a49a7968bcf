//! One target a process, so that Nix never holds more than a few of them, and no more of them at a time than is said.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::common::{Bench, fake, machine};
use artifacts_nix::{Nix, NixOptions};
use artifacts_tests::nix::environment;

const TARGETS: usize = 6;

/// A Nix that tells of each evaluation what it is of, and how many are running, itself included. It waits until `together`
/// have begun, or says that they never did.
fn counting(dir: &Path, together: usize) -> std::path::PathBuf {
    for name in ["running", "begun", "seen"] {
        fs::create_dir(dir.join(name)).unwrap();
    }
    let script = format!(
        r#"cd {dir}
           case "$*" in *"kind ="*) ;; *) cd /; exec "$nix" "$@" ;; esac
           : > running/$$; : > begun/$$
           ticks=0
           while [ "$(ls begun | wc -l)" -lt {together} ]; do
             ticks=$((ticks + 1)); [ $ticks -lt 400 ] || {{ echo "error: alone" >&2; exit 1; }}
             sleep 0.05
           done
           {{ ls running | wc -l; printf '%s\n' "$*" | grep -o '; name = "[^"]*"' | tail -n 1; }} > seen/$$
           "$nix" "$@"; status=$?
           rm running/$$; exit $status"#,
        dir = dir.display()
    );
    fake(dir, &script)
}

/// The most that ran at once, and the targets by process.
fn run(jobs: usize, together: usize) -> (usize, Vec<String>) {
    let bench = Bench::new();
    let machines = (0..TARGETS).map(|number| machine(&format!("m{number}"), "{ artifacts.store.a.files.f = { }; }"));
    bench.flake(&machines.collect::<String>());
    let dir = tempfile::tempdir().unwrap();
    let program = counting(dir.path(), together);
    let jobs = NonZeroUsize::new(jobs).unwrap();
    let options = NixOptions { jobs, directory: Some(bench.dir().to_owned()), ..NixOptions::default() };
    let nix = Nix::new(Some(program), environment().unwrap(), options);
    let flake = nix.flake(&bench.reference()).unwrap();
    let evaluation = flake.evaluate(flake.targets()).unwrap();
    assert_eq!((evaluation.spec.targets.len(), evaluation.failures.len()), (TARGETS, 0), "{:?}", evaluation.failures);
    let said = fs::read_dir(dir.path().join("seen")).unwrap();
    let said = said.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let (mut most, mut targets) = (0, Vec::new());
    for text in said {
        let mut lines = text.lines();
        most = most.max(lines.next().unwrap().trim().parse().unwrap());
        targets.extend(lines.map(str::to_owned));
    }
    targets.sort();
    (most, targets)
}

#[test]
fn each_target_has_a_process_of_its_own_and_no_more_run_than_are_allowed() {
    let expected: Vec<String> = (0..TARGETS).map(|number| format!("; name = \"m{number}\"")).collect();
    assert_eq!(run(1, 1), (1, expected.clone()));
    // Three do run together, and never a fourth.
    assert_eq!(run(3, 3), (3, expected));
}
