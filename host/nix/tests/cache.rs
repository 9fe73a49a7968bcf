//! An answer is taken again only while nothing that it depends on has changed: each part of the key by itself.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::common::{Bench, fake, machine, name};
use artifacts_nix::{Evaluation, Nix, NixOptions};
use artifacts_tests::nix::{Inputs, environment, git, nix};
use artifacts_tests::script;

const CONFIG: &str = r#"({ pkgs, ... }: { artifacts.store.a = { files.f = { }; description = "first"; generator = pkgs.writers.writeBash "g" "true"; }; })"#;

/// A bench whose Nix counts how often it evaluates a target, and says what `version` holds for its version.
struct Counted {
    bench: Bench,
    tools: tempfile::TempDir,
    /// Another program than the one that counts.
    program: Option<PathBuf>,
    options: NixOptions,
    environment: Vec<(OsString, OsString)>,
}

impl Counted {
    fn new() -> Self {
        let tools = tempfile::tempdir().unwrap();
        let dir = tools.path().display();
        let script = format!(
            r#"case "$*" in
              *"kind ="*) echo x >> {dir}/count ;;
              *attrNames*) echo x >> {dir}/lists ;;
              *builtins.nixVersion*) [ -e {dir}/version ] && exec cat {dir}/version ;;
            esac
            exec "$nix" "$@""#
        );
        fake(tools.path(), &script);
        let cache = Some(tools.path().join("cache"));
        let options = NixOptions { cache, system: Some("x86_64-linux".to_owned()), ..NixOptions::default() };
        Self { bench: Bench::new(), tools, program: None, options, environment: environment().unwrap() }
    }

    fn program(&self) -> PathBuf {
        self.program.clone().unwrap_or_else(|| self.tools.path().join("nix"))
    }

    fn try_evaluate(&self, reference: &str) -> Evaluation {
        let nix = Nix::new(Some(self.program()), self.environment.clone(), self.options.clone());
        let flake = nix.flake(reference).unwrap();
        flake.evaluate(flake.targets()).unwrap()
    }

    fn evaluate(&self) -> Evaluation {
        self.try_evaluate(&self.bench.reference())
    }

    fn count(&self, file: &str) -> usize {
        fs::read_to_string(self.tools.path().join(file)).unwrap_or_default().lines().count()
    }

    /// How many evaluations a run needs.
    fn evaluations(&self) -> usize {
        let before = self.count("count");
        self.evaluate();
        self.count("count") - before
    }

    fn warm(config: &str) -> Self {
        let counted = Self::new();
        counted.bench.flake(&machine("web1", config));
        assert_eq!(counted.evaluations(), 1);
        assert_eq!(counted.evaluations(), 0, "an unchanged flake is not evaluated again");
        counted
    }

    fn description(&self) -> Option<String> {
        self.evaluate().spec.targets[0].artifacts[&name("a")].description.clone()
    }
}

#[test]
fn an_unchanged_flake_gives_the_same_answer() {
    let counted = Counted::new();
    counted.bench.flake(&machine("web1", CONFIG));
    let first = counted.evaluate();
    let lists = counted.count("lists");
    let second = counted.evaluate();
    assert_eq!((counted.count("count"), counted.count("lists")), (1, lists));
    assert_eq!(first.spec, second.spec);
    assert_eq!(first.problems, second.problems);
}

#[test]
fn without_a_directory_nothing_is_kept() {
    let mut counted = Counted::warm(CONFIG);
    counted.options.cache = None;
    assert_eq!(counted.evaluations(), 1);
}

#[test]
fn an_edited_module() {
    let counted = Counted::warm(CONFIG);
    counted.bench.flake(&machine("web1", &CONFIG.replace("first", "second")));
    assert_eq!(counted.description().as_deref(), Some("second"));
}

#[test]
fn a_dirty_tree_and_a_stored_file() {
    let counted = Counted::new();
    let config = CONFIG.replace("\"first\"", "if builtins.pathExists ./x then builtins.readFile ./x else \"first\"");
    counted.bench.flake(&machine("web1", &config));
    counted.bench.commit();
    assert_eq!(counted.description().as_deref(), Some("first"));
    counted.bench.write("x", "staged");
    git(counted.bench.dir(), &["add", "--intent-to-add", "x"]).unwrap();
    assert_eq!(counted.description().as_deref(), Some("staged"));
    counted.bench.write("x", "edited");
    assert_eq!(counted.description().as_deref(), Some("edited"));
    assert_eq!(counted.evaluations(), 0, "a dirty tree is kept as well");
}

#[test]
fn a_directory_that_can_change_meanwhile_is_never_kept() {
    let counted = Counted::new();
    counted.bench.flake(&machine("web1", CONFIG));
    let top = counted.bench.dir().parent().unwrap();
    git(top, &["init", "-q"]).unwrap();
    git(top, &["add", "-A"]).unwrap();
    let evaluations = || {
        let before = counted.count("count");
        let flake = counted.bench.dir().file_name().unwrap().to_str().unwrap().to_owned();
        counted.try_evaluate(&format!("git+file://{}?dir={flake}", top.display()));
        counted.count("count") - before
    };
    // Nix has no reference for what is in a copy of a dirty tree, so each process takes the tree as it finds it.
    assert_eq!((evaluations(), evaluations()), (1, 1));
    git(top, &["commit", "-qm", "x"]).unwrap();
    assert_eq!((evaluations(), evaluations()), (1, 0));
}

#[test]
fn a_changed_input() {
    let counted = Counted::new();
    let input = tempfile::tempdir().unwrap();
    let file = input.path().join("x");
    let inputs = format!("inputs.value.url = \"path:{}\"; inputs.value.flake = false;", input.path().display());
    let config = CONFIG.replace("\"first\"", "builtins.readFile \"${inputs.value}/x\"");
    fs::write(&file, "old").unwrap();
    counted.bench.flake_with(&inputs, &machine("web1", &config), true);
    assert_eq!(counted.description().as_deref(), Some("old"));
    assert_eq!(counted.evaluations(), 0);
    fs::write(&file, "new").unwrap();
    // Without the lock file, Nix looks at the input each time: so does this.
    fs::remove_file(counted.bench.dir().join("flake.lock")).unwrap();
    for text in ["new", "newer"] {
        fs::write(&file, text).unwrap();
        assert_eq!(counted.description().as_deref(), Some(text));
        assert_eq!(counted.evaluations(), 1);
    }
    fs::write(&file, "locked").unwrap();
    nix(counted.bench.dir(), &["flake", "lock"]).unwrap();
    assert_eq!(counted.description().as_deref(), Some("locked"));
    assert_eq!(counted.evaluations(), 0);
}

#[test]
fn a_replaced_input_is_never_kept() {
    let mut counted = Counted::warm(CONFIG);
    let stub = counted.bench.inputs().path("agenix");
    counted.options.override_inputs = vec![("agenix".to_owned(), format!("path:{}", stub.display()))];
    assert_eq!(counted.evaluations(), 1);
    assert_eq!(counted.evaluations(), 1);
}

#[test]
fn an_impure_evaluation_is_never_kept() {
    for impure in [vec!["--impure"], vec!["--option", "pure-eval", "false"]] {
        let mut counted = Counted::warm(CONFIG);
        counted.options.arguments = impure.into_iter().map(OsString::from).collect();
        assert_eq!(counted.evaluations(), 1);
        assert_eq!(counted.evaluations(), 1);
    }
}

#[test]
fn another_system() {
    let mut counted = Counted::warm(CONFIG);
    counted.options.system = Some("aarch64-linux".to_owned());
    let evaluation = counted.evaluate();
    let generator = evaluation.spec.targets[0].artifacts[&name("a")].generator.clone().unwrap();
    assert_eq!(generator.system.as_deref(), Some("aarch64-linux"));
}

#[test]
fn another_version_of_nix() {
    let counted = Counted::warm(CONFIG);
    fs::write(counted.tools.path().join("version"), r#"{ "pure": true, "version": "99.0" }"#).unwrap();
    assert_eq!(counted.evaluations(), 1);
    assert_eq!(counted.evaluations(), 0);
}

#[test]
fn another_program_of_the_same_version() {
    let mut counted = Counted::warm(CONFIG);
    let other = counted.tools.path().join("other");
    fs::create_dir(&other).unwrap();
    script::write(&other.join("nix"), fs::read(counted.program()).unwrap()).unwrap();
    counted.program = Some(other.join("nix"));
    assert_eq!(counted.evaluations(), 1);
    assert_eq!(counted.evaluations(), 0);
}

#[test]
fn another_commit_of_the_same_files() {
    let counted = Counted::new();
    counted.bench.flake(&machine("web1", &CONFIG.replace("\"first\"", "inputs.self.rev")));
    counted.bench.commit();
    let head = || git(counted.bench.dir(), &["rev-parse", "HEAD"]).unwrap().trim().to_owned();
    let first = head();
    assert_eq!(counted.description(), Some(first.clone()));
    assert_eq!(counted.evaluations(), 0);
    git(counted.bench.dir(), &["commit", "-q", "--allow-empty", "-m", "y"]).unwrap();
    assert_ne!(head(), first);
    assert_eq!(counted.description(), Some(head()));
}

#[test]
fn another_flake_of_the_same_repository() {
    let counted = Counted::new();
    counted.bench.flake(&machine("web1", CONFIG));
    let top = counted.bench.dir();
    let copy = Inputs::new().unwrap();
    copy.flake(
        &top.join("other"),
        &format!(
            "inputs: let inherit (inputs) nixpkgs; in {{ {} }}",
            machine("web1", &CONFIG.replace("first", "second"))
        ),
    )
    .unwrap();
    counted.bench.commit();
    let description = |query: &str| {
        let reference = format!("git+file://{}{query}", top.display());
        counted.try_evaluate(&reference).spec.targets[0].artifacts[&name("a")].description.clone().unwrap()
    };
    for _ in 0..2 {
        assert_eq!((description(""), description("?dir=other")), ("first".to_owned(), "second".to_owned()));
    }
    assert_eq!(counted.count("count"), 2);
}

#[test]
fn what_nix_said_is_said_again() {
    let counted = Counted::new();
    let said = r#"builtins.trace "on the way" (nixpkgs.lib.warn "it is old:\nreplace it" "first")"#;
    counted.bench.flake(&machine("web1", &CONFIG.replace("\"first\"", said)));
    let first = counted.evaluate().messages;
    assert_eq!(first.len(), 1);
    for text in ["nixosConfigurations.web1: ", "trace: on the way", "it is old:\nreplace it"] {
        assert!(first[0].contains(text), "{first:?}");
    }
    assert_eq!(counted.evaluate().messages, first);
    assert_eq!(counted.count("count"), 1);
}

#[test]
fn other_arguments_and_another_configuration() {
    let mut counted = Counted::warm(CONFIG);
    counted.options.arguments = vec!["--option".into(), "allow-import-from-derivation".into(), "false".into()];
    assert_eq!(counted.evaluations(), 1);
    counted.environment.push(("NIX_USER_CONF_FILES".into(), "/dev/null".into()));
    assert_eq!(counted.evaluations(), 1);
    assert_eq!(counted.evaluations(), 0);
}

#[test]
fn a_derivation_that_was_collected() {
    let text = tempfile::tempdir().unwrap().path().display().to_string();
    let counted = Counted::warm(&CONFIG.replace("\"true\"", &format!("\"echo {text}\"")));
    let drv = generator_drv(&counted.evaluate());
    let output = std::process::Command::new("nix-store")
        .arg("--delete")
        .arg(&drv)
        .env_clear()
        .envs(counted.environment.clone())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!drv.exists());
    assert_eq!(counted.evaluations(), 1);
    assert!(drv.exists());
}

fn generator_drv(evaluation: &Evaluation) -> PathBuf {
    evaluation.spec.targets[0].artifacts[&name("a")].generator.clone().unwrap().drv.unwrap()
}

#[test]
fn an_entry_that_is_broken() {
    let counted = Counted::warm(CONFIG);
    let broken = ["[{}]", "[{\"schema\":1,\"targets\":[{}]}]", "{}", "null"];
    let broken = broken.map(|answer| format!("{{\"said\":\"\",\"answer\":{answer}}}"));
    for broken in ["", "[", "{\"said\":\"\"}"].into_iter().chain(broken.iter().map(String::as_str)) {
        for entry in fs::read_dir(counted.tools.path().join("cache")).unwrap() {
            fs::write(entry.unwrap().path(), broken).unwrap();
        }
        let evaluation = counted.evaluate();
        assert_eq!((evaluation.failures.len(), evaluation.spec.targets.len()), (0, 1), "{broken}");
    }
}

#[test]
fn a_cache_that_cannot_be_written() {
    let mut counted = Counted::new();
    counted.options.cache = Some(Path::new("/dev/null/cache").to_owned());
    counted.bench.flake(&machine("web1", CONFIG));
    assert_eq!(counted.evaluations(), 1);
}

#[test]
fn failures_are_never_kept() {
    let counted = Counted::new();
    counted.bench.flake(&machine("web1", "{ artifacts.root = throw \"no\"; }"));
    // As a whole, and then what is in it, each apart.
    let evaluations = counted.evaluations();
    assert!(evaluations > 0);
    assert_eq!(counted.evaluations(), evaluations);
}

#[test]
fn entries_of_long_ago_are_removed() {
    let mut counted = Counted::warm(CONFIG);
    let old = counted.tools.path().join("cache/old.json");
    fs::write(&old, "").unwrap();
    let written = fs::metadata(&old).unwrap().modified().unwrap();
    for (days, config) in [(29, "second"), (31, "third")] {
        counted.options.now = written + std::time::Duration::from_hours(days * 24);
        counted.bench.flake(&machine("web1", &CONFIG.replace("first", config)));
        counted.evaluate();
        assert_eq!(old.exists(), days < 30);
    }
}

#[test]
fn a_directory_that_others_can_write_to_is_not_used() {
    let counted = Counted::warm(CONFIG);
    let dir = counted.options.cache.as_ref().unwrap();
    assert_eq!(fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
    fs::set_permissions(dir, PermissionsExt::from_mode(0o770)).unwrap();
    assert_eq!(counted.evaluations(), 1);
    fs::set_permissions(dir, PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(counted.evaluations(), 0);
    let real = dir.with_file_name("real");
    fs::rename(dir, &real).unwrap();
    std::os::unix::fs::symlink(&real, dir).unwrap();
    assert_eq!(counted.evaluations(), 1, "nor one that a link leads to");
}
