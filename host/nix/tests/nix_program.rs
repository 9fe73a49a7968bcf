//! Nix itself failing: absent, broken, cut short, stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use crate::common;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::common::{Bench, fake, machine};
use artifacts_nix::{Error, Nix, NixOptions};
use artifacts_text::Explain;

fn with(program: PathBuf) -> Nix {
    let environment = artifacts_tests::nix::environment().unwrap();
    Nix::new(Some(program), environment, NixOptions::default())
}

#[test]
fn no_nix() {
    let dir = tempfile::tempdir().unwrap();
    let environment = vec![("PATH".into(), dir.path().into())];
    let in_path = Nix::new(None, environment, NixOptions::default());
    let named = Nix::new(Some(dir.path().join("nix")), Vec::new(), NixOptions::default());
    for nix in [in_path, named] {
        let error = nix.flake(".").unwrap_err();
        assert!(matches!(error, Error::Missing { .. }), "{error}");
        assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
        assert!(error.hint().unwrap().contains("nixos.org"));
    }
}

#[test]
fn a_flake_that_is_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let nix = Nix::new(None, artifacts_tests::nix::environment().unwrap(), NixOptions::default());
    let nowhere = dir.path().join("no where").display().to_string();
    for reference in [nowhere.clone(), format!("path:{nowhere}"), format!("{nowhere}?dir=a#b")] {
        let error = nix.flake(&reference).unwrap_err();
        assert!(matches!(error, Error::NoDirectory { .. }), "{error}");
        assert!(error.hint().unwrap().contains("--flake DIR"));
    }
    // One that is there is Nix's matter.
    fs::create_dir(&nowhere).unwrap();
    for reference in [nowhere.clone(), format!("path:{}", nowhere.replace(' ', "%20"))] {
        let error = nix.flake(&reference).unwrap_err();
        assert!(matches!(error, Error::Failed { .. }), "{error}");
    }
}

#[test]
fn without_nix_the_store_is_where_it_mostly_is() {
    let dir = tempfile::tempdir().unwrap();
    let nix = Nix::new(None, vec![("PATH".into(), dir.path().into())], NixOptions::default());
    let is_in_store = |path: &str| nix.store_of(Path::new(path)).is_some();
    assert!(is_in_store("/nix/store") && is_in_store("/nix/store/0-source/x"));
    assert!(!is_in_store("/home/store/x") && !is_in_store("/nix/storehouse/x"));
}

#[test]
fn who_meets_another_process_at_a_new_store_is_asked_again() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    let dir = tempfile::tempdir().unwrap();
    let before = dir.path().display();
    // Each kind of question fails as Nix does that finds what it was about to make, `times` times.
    let meets = |times: usize, message: &str| {
        fake(
            dir.path(),
            &format!(
                r#"n={before}/asked-$(printf %s "$*" | cksum | tr ' ' -); [ -e $n ] || : > $n; echo >> $n
                if [ $(wc -l < $n) -le {times} ]; then echo "error: {message}" >&2; exit 1; fi
                exec "$nix" "$@""#
            ),
        )
    };
    let asked = || fs::read_dir(dir.path()).unwrap().flatten().filter(|file| file.file_name() != "nix");
    for message in
        ["creating symlink '/s/gcroots/profiles': File exists", "SQLite database '/s/var/nix/db/db.sqlite' is busy"]
    {
        let nix = with(meets(1, message));
        assert_eq!(nix.flake(&bench.reference()).unwrap().targets().len(), 1, "{message}");
        asked().for_each(|file| fs::remove_file(file.path()).unwrap());
    }
    let error = with(meets(9, "creating symlink '/s': File exists")).flake(&bench.reference()).unwrap_err();
    assert!(error.to_string().contains("File exists"), "what lasts is told: {error}");
}

#[test]
fn half_an_answer_with_a_good_exit_status() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    let dir = tempfile::tempdir().unwrap();
    // Only the evaluation of the target is cut; what comes before is whole.
    let nix =
        with(fake(dir.path(), r#"case "$*" in *"kind ="*) "$nix" "$@" | head -c 300 ;; *) exec "$nix" "$@" ;; esac"#));
    let flake = nix.flake(&bench.reference()).unwrap();
    let evaluation = flake.evaluate(flake.targets()).unwrap();
    assert_eq!(evaluation.spec.targets, []);
    let error = &evaluation.failures[0].error;
    assert!(matches!(error, Error::Output { bytes: 300, .. }), "{error}");

    for script in ["", "echo '{'", "echo '[]'", "echo '{ \"path\": 3 }'"] {
        let nix = with(fake(dir.path(), script));
        let error = nix.flake(&bench.reference()).unwrap_err();
        assert!(matches!(error, Error::Output { .. }), "{script}: {error}");
    }
}

#[test]
fn a_whole_answer_with_a_bad_exit_status() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    let dir = tempfile::tempdir().unwrap();
    let nix = with(fake(
        dir.path(),
        r#"case "$*" in *"kind ="*) "$nix" "$@"; echo "error: out of luck" >&2; exit 1 ;; *) exec "$nix" "$@" ;; esac"#,
    ));
    let flake = nix.flake(&bench.reference()).unwrap();
    let evaluation = flake.evaluate(flake.targets()).unwrap();
    assert_eq!(evaluation.spec.targets, []);
    assert!(evaluation.failures[0].error.to_string().ends_with("out of luck"));
}

#[test]
fn a_nix_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let error = with(fake(dir.path(), "kill -9 $$")).flake(".").unwrap_err().to_string();
    assert!(error.contains("killed") && error.contains('9'), "{error}");
}

#[test]
fn a_spec_that_is_none() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    let dir = tempfile::tempdir().unwrap();
    for (answer, expected) in [
        (r#"[{ "schema": 2, "targets": [] }]"#, "schema 2"),
        (r#"[{ "schema": 1, "targets": [], "surprise": 1 }]"#, "surprise"),
    ] {
        let script = format!(r#"case "$*" in *"kind ="*) echo '{answer}' ;; *) exec "$nix" "$@" ;; esac"#);
        let nix = with(fake(dir.path(), &script));
        let flake = nix.flake(&bench.reference()).unwrap();
        let error = flake.evaluate(flake.targets()).unwrap().failures.remove(0).error.to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn stopping_ends_the_process_soon() {
    let dir = tempfile::tempdir().unwrap();
    let marker = dir.path().join("pid");
    let cancel: Arc<AtomicBool> = Arc::default();
    let options = NixOptions { cancel: Arc::clone(&cancel), ..NixOptions::default() };
    let script = format!("echo $$ > {0}.new; mv {0}.new {0}; exec sleep 100", marker.display());
    let environment = artifacts_tests::nix::environment().unwrap();
    let nix = Nix::new(Some(fake(dir.path(), &script)), environment, options);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let running = scope.spawn(|| nix.flake("."));
        while !marker.exists() {
            assert!(started.elapsed() < Duration::from_secs(20));
            std::thread::sleep(Duration::from_millis(5));
        }
        cancel.store(true, Ordering::Relaxed);
        let error = running.join().unwrap().unwrap_err();
        assert!(matches!(error, Error::Cancelled), "{error}");
    });
    assert!(started.elapsed() < Duration::from_secs(20));
    let pid = fs::read_to_string(marker).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "it is gone and waited for");
    assert!(matches!(nix.store_dir().unwrap_err(), Error::Cancelled), "nothing new is started");
}

#[test]
fn nix_sees_the_environment_that_it_is_given_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let nix = Nix::new(
        Some(fake(dir.path(), "/usr/bin/env >&2; exit 1")),
        vec![("GIVEN".into(), "yes".into())],
        NixOptions::default(),
    );
    let error = nix.flake(".").unwrap_err().to_string();
    assert!(error.contains("GIVEN=yes"), "{error}");
    assert!(!error.contains("CARGO"), "{error}");
}

#[test]
fn no_path_is_taken_for_an_option() {
    let dir = tempfile::tempdir().unwrap();
    let nix = with(fake(dir.path(), "exit 0"));
    for path in ["--delete", "-v", "nix/store/x", ""].map(Path::new) {
        for error in [nix.realise(path).unwrap_err(), nix.closure(path).unwrap_err()] {
            assert!(matches!(error, Error::Relative { .. }), "{error}");
            assert!(error.to_string().contains(path.to_str().unwrap()) && error.hint().is_some());
        }
    }
}

#[test]
fn the_reason_that_a_program_of_nix_gave_is_told() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f = { }; }"));
    bench.commit();
    // A submodule from a local path, which git takes from no one but who allows it.
    let other = bench.dir().with_file_name("other");
    fs::create_dir(&other).unwrap();
    for arguments in [&["init", "-q"][..], &["commit", "-q", "--allow-empty", "-m", "x"]] {
        artifacts_tests::nix::git(&other, arguments).unwrap();
    }
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", other.to_str().unwrap(), "sub"];
    artifacts_tests::nix::git(bench.dir(), &add).unwrap();
    bench.commit();
    let flake = bench.nix().flake(&format!("git+file://{}?submodules=1", bench.reference()));
    if !common::runs_git_for_submodules(bench.nix()) {
        flake.unwrap();
        return;
    }
    let error = flake.unwrap_err();
    assert!(error.to_string().contains("\n| fatal: transport 'file' not allowed"), "{error}");
    assert!(!error.to_string().lines().next().unwrap().contains("fatal"), "{error}");
    assert!(error.hint().unwrap().contains("protocol.file.allow"), "{error}");
}

#[test]
fn what_follows_the_error_is_told() {
    let bench = Bench::new();
    bench.write("g", "#!/bin/sh\n");
    bench.flake(&machine("web1", "{ artifacts.store.a = { files.f.mdoe = \"0400\"; generator = ./g; }; }"));
    let flake = bench.flake_ref();
    let evaluation = flake.evaluate(flake.targets()).unwrap();
    let told = match evaluation.failures.first() {
        Some(failure) => failure.error.to_string(),
        None => flake.why_blocked(&flake.targets()[0], &evaluation.spec.targets[0], "a").unwrap(),
    };
    let (first, rest) = told.split_once('\n').unwrap();
    assert!(first.contains("files.f.mdoe' does not exist") && first.ends_with("Definition values:"), "{told}");
    assert!(rest.contains("| - In `") && rest.contains("\"0400\""), "{told}");
}
