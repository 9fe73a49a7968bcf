//! Where stored files are read by Nix and written by the command.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::fs;

use crate::common::{Bench, machine};
use artifacts_nix::Error;
use artifacts_tests::nix::git;
use artifacts_text::Explain;

const PLAIN: &str = "{ artifacts.store.a.files.f = { }; }";

/// The directory that is written to, for a flake reference.
fn checkout(bench: &Bench, reference: &str) -> Result<std::path::PathBuf, Error> {
    let flake = bench.nix().flake(reference)?;
    let spec = flake.evaluate(flake.targets())?.spec;
    flake.checkout(spec.root.as_deref())
}

#[test]
fn a_plain_dir() {
    let bench = Bench::new();
    bench.flake(&machine("web1", PLAIN));
    assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir());
}

#[test]
fn a_root_below_the_flake() {
    let bench = Bench::new();
    bench.write("deep/er/file", "");
    bench.flake(&machine("web1", &format!("{PLAIN} {{ artifacts.root = ./deep/er; }}")));
    assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir().join("deep/er"));
}

#[test]
fn no_root_at_all() {
    let bench = Bench::new();
    bench.flake(&machine("web1", &format!("{PLAIN} {{ artifacts.root = null; }}")));
    assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir());
}

#[test]
fn a_git_checkout_from_a_directory_inside() {
    let bench = Bench::new();
    bench.flake(&machine("web1", PLAIN));
    bench.commit();
    let flake = bench.nix().flake(&format!("git+file://{}", bench.dir().display())).unwrap();
    assert_eq!(flake.checkout(None).unwrap(), bench.dir());
    assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir());
}

#[test]
fn a_flake_in_a_subdir_of_a_repository() {
    let bench = Bench::named("config");
    let top = bench.dir().parent().unwrap().to_owned();
    bench.flake(&machine("web1", PLAIN));
    git(&top, &["init", "-q"]).unwrap();
    git(&top, &["add", "-A"]).unwrap();
    // Dirty and clean trees are evaluated from different places.
    for dirty in [true, false] {
        if !dirty {
            git(&top, &["commit", "-qm", "x"]).unwrap();
        }
        let reference = format!("git+file://{}?dir=config", top.display());
        assert_eq!(checkout(&bench, &reference).unwrap(), bench.dir(), "dirty: {dirty}");
        assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir(), "dirty: {dirty}");
        // What Nix reads is the same place: the value is there.
        bench.flake(&machine("web1", "{ artifacts.store.a.files.f.secret = false; }"));
        bench.write("secrets/per-machine/web1/a/public/f", "seen");
        git(&top, &["add", "-A"]).unwrap();
        assert_eq!(bench.eval("nixosConfigurations.web1.config.artifacts.store.a.files.f.value"), "seen");
    }
}

#[test]
fn a_path_with_blanks() {
    let bench = Bench::named("my flake +%20");
    bench.write("se crets/x", "");
    bench.flake(&machine("web1", &format!("{PLAIN} {{ artifacts.root = ./. + \"/se crets\"; }}")));
    let mut inside = Bench::new();
    inside.options.directory = Some(bench.dir().to_owned());
    assert_eq!(checkout(&inside, ".").unwrap(), bench.dir().join("se crets"));
}

#[test]
fn a_git_checkout_with_blanks_works_or_says_that_this_nix_cannot() {
    let bench = Bench::named("my flake");
    bench.flake(&machine("web1", PLAIN));
    bench.commit();
    match bench.nix().flake(&bench.reference()) {
        Ok(flake) => assert_eq!(flake.targets().len(), 1),
        Err(error) => assert!(error.hint().unwrap().contains("does not support spaces in the path"), "{error}"),
    }
}

#[test]
fn a_private_input_needs_a_root_from_the_person() {
    let bench = Bench::new();
    let secrets = tempfile::tempdir().unwrap();
    fs::write(secrets.path().join("x"), "").unwrap();
    let input = format!("inputs.secrets.url = \"path:{}\"; inputs.secrets.flake = false;", secrets.path().display());
    bench.flake_with(&input, &machine("web1", &format!("{PLAIN} {{ artifacts.root = inputs.secrets; }}")), true);
    let error = checkout(&bench, &bench.reference()).unwrap_err();
    assert!(matches!(error, Error::Elsewhere { .. }), "{error}");
    // Nix reads what is stored there.
    let public = secrets.path().join("secrets/per-machine/web1/a/public");
    fs::create_dir_all(&public).unwrap();
    fs::write(public.join("f"), "seen").unwrap();
    let modules = "{ artifacts.root = inputs.secrets; artifacts.store.a.files.f.secret = false; }";
    fs::remove_file(bench.dir().join("flake.lock")).unwrap();
    bench.flake_with(&input, &machine("web1", modules), true);
    assert_eq!(bench.eval("nixosConfigurations.web1.config.artifacts.store.a.files.f.value"), "seen");
    assert!(error.hint().unwrap().contains("--root DIR"));
}

#[test]
fn a_fixed_revision_or_a_copy_in_the_store_is_read_only() {
    let bench = Bench::new();
    bench.flake(&machine("web1", PLAIN));
    bench.commit();
    let rev = git(bench.dir(), &["rev-parse", "HEAD"]).unwrap();
    let fixed = format!("git+file://{}?rev={}", bench.dir().display(), rev.trim());
    let stored = format!("path:{}", bench.source().display());
    for reference in [fixed, stored] {
        let error = checkout(&bench, &reference).unwrap_err();
        assert!(matches!(error, Error::ReadOnly { .. }), "{reference}: {error}");
        assert!(error.hint().unwrap().contains("--root DIR"));
    }
}

#[test]
fn what_git_does_not_know_is_not_there() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "{ artifacts.store.a.files.f.secret = false; }"));
    bench.commit();
    bench.write("secrets/per-machine/web1/a/public/f", "seen");
    let exists = "nixosConfigurations.web1.config.artifacts.store.a.files.f.exists";
    assert_eq!(bench.eval_json(exists, "x: x"), false);
    git(bench.dir(), &["add", "--intent-to-add", "secrets"]).unwrap();
    assert_eq!(bench.eval_json(exists, "x: x"), true);
}

#[test]
fn a_module_that_git_does_not_know_is_said_to_be_that() {
    let bench = Bench::new();
    bench.flake(&machine("web1", "./modules/new.nix"));
    bench.write("modules/old.nix", "{ }");
    bench.commit();
    bench.write("modules/new.nix", "{ }");
    let failures = bench.evaluate().failures;
    let help = failures[0].error.hint().unwrap();
    assert!(help.contains("`git add -- ':/modules/new.nix'`"), "{}: {help}", failures[0].error);
    git(bench.dir(), &["add", "--", "modules/new.nix"]).unwrap();
    assert_eq!(bench.evaluate().failures.len(), 0);
}

#[test]
fn the_repository_does_not_choose_where_else_is_written() {
    let bench = Bench::new();
    let victim = tempfile::tempdir().unwrap();
    let victim = victim.path().canonicalize().unwrap();
    let refused = |root: &str| {
        bench.flake(&machine("web1", &format!("{PLAIN} {{ artifacts.root = {root}; }}")));
        let error = checkout(&bench, &bench.reference()).expect_err(root);
        assert!(matches!(error, Error::Outside { .. }), "{root}: {error}");
        assert!(error.hint().unwrap().contains("--root DIR"));
    };
    bench.write("down/x", "");
    refused(&format!("\"{}\"", victim.display()));
    refused(&format!("\"${{inputs.self}}/../../..{}\"", victim.display()));
    refused(&format!("\"${{inputs.self}}/down/../../../../..{}\"", victim.display()));
    std::os::unix::fs::symlink(&victim, bench.dir().join("link")).unwrap();
    refused("./link");
    refused("\"${inputs.self}/link/deeper\"");
    // The checkout itself may be named.
    bench.flake(&machine("web1", &format!("{PLAIN} {{ artifacts.root = \"{}/down\"; }}", bench.dir().display())));
    assert_eq!(checkout(&bench, &bench.reference()).unwrap(), bench.dir().join("down"));
}
