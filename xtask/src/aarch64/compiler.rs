use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::packages::Packages;
use super::{LINKER, TARGET};
use crate::{project, run, wasm};

/// What was compiled.
pub struct Tests {
    /// The tests by name.
    pub programs: Vec<(String, PathBuf)>,
    /// The program that they start as a worker.
    pub worker: PathBuf,
}

/// The crates of the boundary, whose tests start workers and run components.
pub const CRATES: &[&str] = &["contract", "worker", "session", "precompile"];

/// Compiles their tests, in a directory of their own.
///
/// # Errors
/// When they do not compile.
pub fn tests(packages: &Packages) -> Result<Tests> {
    let rustc = compiler(packages)?;
    let mut cargo = run::cargo();
    cargo
        .args(["test", "--no-run", "--release", "--locked", "--lib", "--tests"])
        .args(CRATES.iter().map(|name| format!("--package=artifacts-{name}")))
        .args(["--target", TARGET, "--message-format", "json-render-diagnostics"])
        .current_dir(project::root())
        .env("RUSTC", &rustc)
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER)
        // Emulation is slow in any case; compiling is what takes longest.
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
        .env("CARGO_TARGET_DIR", project::target().join("aarch64"));
    let messages = run::output(&mut cargo)?;
    let mut programs = Vec::new();
    let mut worker = None;
    for program in messages.lines().filter_map(executable) {
        match test_name(&program) {
            Some(name) => programs.push((name, program)),
            None if program.ends_with("artifacts-precompile") => worker = Some(program),
            None => {}
        }
    }
    ensure!(!programs.is_empty(), "no test was compiled");
    Ok(Tests { programs, worker: worker.context("the program that tests start as a worker was not compiled")? })
}

/// The program that a line of cargo's messages is about.
fn executable(message: &str) -> Option<PathBuf> {
    let (_, rest) = message.split_once("\"executable\":\"")?;
    rest.split('"').next().map(PathBuf::from)
}

/// The name of a test by its program, `deps/NAME-HASH`; other programs lie elsewhere.
fn test_name(program: &Path) -> Option<String> {
    let name = program.file_name()?.to_str()?;
    let (name, _) = name.rsplit_once('-').filter(|_| program.parent().is_some_and(|dir| dir.ends_with("deps")))?;
    Some(name.to_owned())
}

/// A compiler that has the target: the usual one, or Debian's with Debian's own std beside it.
fn compiler(packages: &Packages) -> Result<PathBuf> {
    if wasm::has_target(Path::new("rustc"), TARGET) {
        return Ok("rustc".into());
    }
    let private = wasm::private_home();
    ensure!(private.join("ok").exists(), "the usual compiler has no std for {TARGET}: `rustup target add {TARGET}`");
    let sysroot = packages.made().join("sysroot");
    let rustlib = sysroot.join("lib/rustlib");
    if !rustlib.exists() {
        fs::create_dir_all(&rustlib)?;
        symlink(packages.root().join("usr/lib/rustlib").join(TARGET), rustlib.join(TARGET))?;
        for entry in fs::read_dir(private.join("lib/rustlib"))?.flatten() {
            symlink(entry.path(), rustlib.join(entry.file_name()))?;
        }
    }
    // Not by way of a plain `sh`, which drops variables with hyphens in their names, and cargo sets such.
    let rustc = packages.made().join("rustc");
    let text = format!(
        "#!/bin/bash\nLD_LIBRARY_PATH=\"{0}/lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\" exec {0}/bin/rustc.real --sysroot {1} \"$@\"\n",
        private.display(),
        sysroot.display()
    );
    fs::write(&rustc, text)?;
    fs::set_permissions(&rustc, fs::Permissions::from_mode(0o755))?;
    Ok(rustc)
}

#[cfg(test)]
mod tests {
    use super::{executable, test_name};

    #[test]
    fn tests_and_their_worker_are_told_apart() {
        let line =
            |path: &str| format!("{{\"reason\":\"compiler-artifact\",\"executable\":\"{path}\",\"fresh\":true}}");
        let name = |path| executable(&line(path)).map(|program| test_name(&program));
        assert_eq!(name("/t/release/deps/worker_tests-0a1b"), Some(Some("worker_tests".to_owned())));
        assert_eq!(name("/t/release/artifacts-precompile"), Some(None));
        assert_eq!(executable("{\"reason\":\"compiler-artifact\",\"executable\":null,\"fresh\":true}"), None);
    }
}
