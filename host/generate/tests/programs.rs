//! Any executable is a generator.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use artifacts_generate::{GeneratorFailure, Job};
use artifacts_tests::script;
use artifacts_text::Explain;
use common::{RamDir, name};

fn job(program: &Path) -> Job {
    let mut job = common::job_of("shared/x", program.to_owned());
    job.expected = [name("it")].into();
    job
}

/// The head of a program for a processor that this machine has not.
fn foreign_program(path: &Path) -> &'static str {
    let (machine, system) =
        if cfg!(target_arch = "x86_64") { (183_u16, "aarch64-linux") } else { (62, "x86_64-linux") };
    let mut elf = b"\x7fELF\x02\x01\x01".to_vec();
    elf.resize(16, 0);
    elf.extend(2_u16.to_le_bytes());
    elf.extend(machine.to_le_bytes());
    elf.resize(64, 0);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    script::write(path, elf).unwrap();
    system
}

fn refused(place: &RamDir, program: &Path) -> String {
    match place.fault_in(&job(program)) {
        fault @ GeneratorFailure::Program { .. } => fault.to_string(),
        other => panic!("{other}"),
    }
}

#[test]
fn the_first_line_counts() {
    let place = RamDir::new();
    let awk = place.script("gen", "#!/usr/bin/awk -f\nBEGIN { print \"by awk\" > \"/out/it\" }\n");
    assert_eq!(place.says_in(&job(&awk)), "by awk\n");
    let env = place.script("gen", "#!/usr/bin/env -S bash -e\necho \"${BASH_VERSION:+by bash} $-\" > $out/it\nfalse\n");
    assert!(matches!(place.fault_in(&job(&env)), GeneratorFailure::Failed { status: 1, .. }));
    let one = place.script("gen", "#!/bin/sh -eu \necho \"$0 $#\" > $out/it\n");
    assert_eq!(place.says_in(&job(&one)), "/generator/gen 0\n");
}

#[test]
fn an_interpreter_may_be_a_script() {
    let place = RamDir::new();
    let store = place.disk.path().join("store");
    let inner = place.script("store/inner", "#!/bin/sh\necho \"inner $*\" > $out/it\n");
    let outer = place.script("store/outer", &format!("#!{} with words\n", inner.display()));
    let mut job = job(&outer);
    job.closure = vec![store.into()];
    assert_eq!(place.says_in(&job), format!("inner with words {}\n", outer.display()));
    let round = place.disk.path().join("store/round");
    place.script("store/round", &format!("#!{}\n", round.display()));
    job.program = round;
    assert!(matches!(place.fault_in(&job), GeneratorFailure::Program { .. }));
}

#[test]
fn a_binary_runs() {
    let place = RamDir::new();
    // Outside of any store, and in the system's own directory.
    let copy = place.disk.path().join("a copy of touch");
    script::write(&copy, fs::read("/usr/bin/env").unwrap()).unwrap();
    assert!(matches!(place.fault_in(&job(&copy)), GeneratorFailure::Missing { .. }));
    assert!(matches!(place.fault_in(&job(Path::new("/usr/bin/true"))), GeneratorFailure::Missing { .. }));
}

#[test]
fn a_binary_whose_loader_is_not_there_is_refused_with_its_name() {
    let place = RamDir::new();
    let mut binary = fs::read("/usr/bin/env").unwrap();
    let loader = binary.windows(8).position(|bytes| bytes.ends_with(b"/ld-lin")).unwrap();
    binary[loader + 1] = b'X';
    let copy = place.disk.path().join("env");
    script::write(&copy, binary).unwrap();
    let why = refused(&place, &copy);
    assert!(why.contains("needs the loader `/") && why.contains("Xld-linux") && why.contains("No such file"), "{why}");
}

#[test]
fn blanks_and_worse_in_a_path_are_fine() {
    let place = RamDir::new();
    let program = place.script("a directory/it's \"the\" $generator; true\n", "#!/bin/sh\necho \"$0\" > $out/it\n");
    assert_eq!(place.says_in(&job(&program)), "/generator/it's \"the\" $generator; true\n\n");
    let program = place.script("-- --help", "#!/bin/sh\necho fine > $out/it\n");
    assert_eq!(place.says_in(&job(&program)), "fine\n");
}

#[test]
fn a_directory_with_one_program_is_that_program() {
    let place = RamDir::new();
    place.script("package/bin/gen", "#!/bin/sh\necho fine > $out/it\n");
    let package = place.disk.path().join("package");
    assert_eq!(place.says_in(&job(&package)), "fine\n");
    place.script("package/bin/other", "#!/bin/sh\n");
    assert!(refused(&place, &package).contains("expected one file in `bin`, found 2 (gen, other)"));
    fs::remove_dir_all(package.join("bin")).unwrap();
    assert!(refused(&place, &package).contains("directory without `bin`"));
}

#[test]
fn links_are_followed_through_the_closure() {
    let place = RamDir::new();
    let store = place.disk.path().join("store");
    let real = place.script("store/abc-real/bin/real name", "#!/bin/sh\necho \"$0\" > $out/it; ls /*/*/ > /dev/null\n");
    place.script("store/secret-of-another/file", "");
    symlink(&real, store.join("def-link")).unwrap();
    symlink("store/def-link", place.disk.path().join("result")).unwrap();
    // In the closure: everything at its own path.
    let mut inside = job(&store.join("def-link"));
    inside.closure = vec![store.join("def-link").into(), store.join("abc-real").into()];
    assert_eq!(place.says_in(&inside), format!("{}\n", store.join("def-link").display()));
    // A link from outside leads to the same.
    inside.program = place.disk.path().join("result");
    assert_eq!(place.says_in(&inside), format!("{}\n", real.display()));
    // Without a closure: the file alone.
    assert_eq!(place.says_in(&job(&place.disk.path().join("result"))), "/generator/result\n");
    // Nothing of the store but the closure is seen.
    let look = place.script("store/look", &format!("#!/bin/sh\nls -A '{}' > $out/it\n", store.display()));
    let mut look = job(&look);
    look.closure = vec![store.join("look").into(), store.join("abc-real").into()];
    assert_eq!(place.says_in(&look), "abc-real\nlook\n");
}

#[test]
fn what_cannot_be_executed_is_refused() {
    let place = RamDir::new();
    let plain = place.script("plain", "#!/bin/sh\n");
    fs::set_permissions(&plain, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(refused(&place, &plain).contains("without that permission"));
    // Bubblewrap would hand this to /bin/sh.
    let text = place.script("text", "echo made by the wrong shell > $out/it\n");
    assert!(refused(&place, &text).contains("neither an ELF program nor a script"));
    assert!(refused(&place, &place.script("empty", "")).contains("neither an ELF program nor a script"));
    assert!(refused(&place, &place.script("relative", "#!bin/sh\n")).contains("absolute path of an interpreter"));
    assert!(refused(&place, &place.script("none", "#!/nowhere/sh\n")).contains("`/nowhere/sh`: No such file"));
    assert!(refused(&place, &place.disk.path().join("nowhere")).contains("cannot be found"));
    assert!(refused(&place, Path::new("relative/path")).contains("expected an absolute path"));
    symlink("loop", place.disk.path().join("loop")).unwrap();
    assert!(refused(&place, &place.disk.path().join("loop")).contains("cannot be found"));
    assert!(refused(&place, Path::new("/dev/null")).contains("expected an executable file"));
    let shell = place.disk.path().join("my-shell");
    script::write(&shell, fs::read("/bin/sh").unwrap()).unwrap();
    let hidden = place.script("hidden", &format!("#!{}\n", shell.display()));
    assert!(refused(&place, &hidden).contains("neither in its closure"));
}

#[test]
fn a_program_for_another_system_says_so() {
    let place = RamDir::new();
    let program = place.disk.path().join("foreign");
    let system = foreign_program(&program);
    let fault = place.fault_in(&job(&program));
    assert!(matches!(&fault, GeneratorFailure::System { system: found, .. } if found == system), "{fault}");
    assert!(fault.to_string().contains(&format!("built for {system}")), "{fault}");
}

#[test]
fn a_script_for_another_system_says_so_and_no_shell_of_this_one_runs_it() {
    let place = RamDir::new();
    let store = place.disk.path().join("store");
    let system = foreign_program(&store.join("bash/bin/bash"));
    let text = format!("#!{}\necho made by the wrong shell > /out/it\n", store.join("bash/bin/bash").display());
    let mut job = job(&place.script("store/gen", &text));
    job.closure = vec![store.into()];
    let fault = place.fault_in(&job);
    assert!(matches!(&fault, GeneratorFailure::System { system: found, .. } if found == system), "{fault}");
}

#[test]
fn the_generators_of_the_announcement_run() {
    let place = RamDir::new();
    let body = "cat >\"$out/it\" <<EOF\nATTIC_SERVER_TOKEN_RS256_SECRET_BASE64=$(/usr/bin/openssl genrsa -traditional 2048 | base64 -w0)\nEOF";
    let said = place.says(body);
    assert!(
        said.starts_with("ATTIC_SERVER_TOKEN_RS256_SECRET_BASE64=LS0tLS1CRUdJTiBSU0E") && said.len() > 2000,
        "{said}"
    );
}

#[test]
fn bubblewrap_that_is_there_is_not_to_be_installed() {
    let help = |number: i32| {
        let why = std::io::Error::from_raw_os_error(number);
        artifacts_generate::Error::NoBubblewrap { path: "/usr/bin/bwrap".into(), why }.hint().unwrap()
    };
    let (missing, processes) = (2, 11);
    assert!(help(missing).contains("install"));
    assert!(!help(processes).contains("install") && help(processes).contains("ulimit -u"));
}
