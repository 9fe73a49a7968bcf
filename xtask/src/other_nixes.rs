//! The Nix side under newer versions of Nix than this machine's: those of newer releases of Debian, unpacked in the user's cache.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use xtask::unpacked::{Suite, Unpacked};

use crate::tally::Tally;
use crate::{run, test, wasm};

/// Debian's releases whose Nix is taken, the newest last.
const RELEASES: [&str; 2] = ["trixie", "sid"];

/// Names directories with a `nix` each, as `PATH` does, in place of Debian's; the newest last.
const GIVEN: &str = "ARTIFACTS_TEST_NIXES";

/// The programs of the tests that run Nix.
const PROGRAMS: [&str; 2] = ["nix", "e2e"];

/// The tests of what each Nix does in its own way: its messages, its stores, what it takes for a checkout.
const TESTS: &[&str] = &["checkout::", "nix_program::", "pitfalls::", "flake::"];

/// What the newest Nix does besides.
const TESTS_OF_NEWEST: &[&str] = &["evaluation::", "golden::", "lines::", "real_modules::", "target_nix::"];

/// Runs the tests under each Nix; the last line counts.
///
/// # Errors
/// As [`check`].
pub fn run() -> Result<()> {
    let mut tally = Tally::default();
    let result = check(&mut tally);
    println!("{tally}");
    result
}

/// Runs the tests under each Nix, and counts them.
///
/// # Errors
/// When one cannot be had, or a test fails.
pub fn check(tally: &mut Tally) -> Result<()> {
    let mut failed = Vec::new();
    let nixes = ready()?;
    for bin in &nixes {
        let more = if nixes.last() == Some(bin) { TESTS_OF_NEWEST } else { &[] };
        let version = version(bin)?;
        println!("\n-- {version}, in {}", bin.display());
        let mut cargo = test::cargo_test();
        cargo.args(PROGRAMS.iter().flat_map(|program| ["--test", program])).arg("--").args(TESTS).args(more);
        cargo.env("ARTIFACTS_TEST_NIX", bin);
        if let Err(error) = test::counted(&mut cargo, tally) {
            failed.push(format!("under {version}: {error}"));
        }
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("; ")) }
}

/// Makes sure that they are there. Gives their directories.
///
/// # Errors
/// When one cannot be had: says what is missing.
pub fn ready() -> Result<Vec<PathBuf>> {
    if let Some(given) = std::env::var_os(GIVEN) {
        return Ok(std::env::split_paths(&given).collect());
    }
    RELEASES
        .iter()
        .map(|release| {
            of_debian(release).with_context(|| {
                format!(
                    "the Nix of Debian's release {release} cannot be had. Where that is not Debian, {GIVEN} may name other versions' \
                     directories, as PATH does"
                )
            })
        })
        .collect()
}

/// The `bin` directory of a release's Nix, made when it is not there.
fn of_debian(release: &'static str) -> Result<PathBuf> {
    let home = wasm::cache_home().join(format!("nix-{release}"));
    let bin = home.join("bin");
    if version(&bin).is_err() {
        println!("Unpacking the Nix of Debian's release {release} in {} (60 MB)", home.display());
        let work = home.with_extension(format!("work-{}", std::process::id()));
        let made = make(&work, &home, release);
        let _ = fs::remove_dir_all(&work);
        made?;
        version(&bin)?;
    }
    Ok(bin)
}

/// Unpacks it beside its place and moves it there, so that an interrupted run leaves none.
fn make(work: &Path, home: &Path, release: &'static str) -> Result<()> {
    let apt = Unpacked::new(work, None, &[Suite { archive: "debian", name: release }])?;
    // Perl is for what no one calls here.
    let needed = |name: &String| name == "nix-bin" || name.starts_with("lib") && !name.contains("perl");
    let usr = apt.unpack(&apt.closure("nix-bin")?.into_iter().filter(needed).collect::<Vec<_>>())?.join("usr");
    let (made, loader) = (work.join("made"), arrange_libraries(&usr, &work.join("made/lib"))?);
    fs::create_dir_all(made.join("bin"))?;
    fs::rename(usr.join("bin/nix"), made.join("nix"))?;
    for program in fs::read_dir(usr.join("bin"))?.flatten().map(|entry| entry.file_name()) {
        if program.to_string_lossy().starts_with("nix-") {
            wrapper(&made.join("bin").join(program), home, &loader)?;
        }
    }
    wrapper(&made.join("bin/nix"), home, &loader)?;
    let _ = fs::remove_dir_all(home);
    fs::rename(&made, home).context("it cannot be moved to its place")
}

/// Moves the libraries, with all that they need. Gives the name of the program that loads them.
fn arrange_libraries(usr: &Path, lib: &Path) -> Result<String> {
    fs::create_dir_all(lib)?;
    let mut loader = None;
    for triple in fs::read_dir(usr.join("lib"))?.flatten().map(|entry| entry.path()) {
        if !triple.to_string_lossy().ends_with("-linux-gnu") {
            continue;
        }
        for library in fs::read_dir(&triple)?.flatten() {
            let name = library.file_name().to_string_lossy().into_owned();
            if name.contains(".so") {
                fs::rename(library.path(), lib.join(&name))?;
            }
            if name.starts_with("ld-linux") {
                loader = Some(name);
            }
        }
    }
    loader.context("libc6 has no loader")
}

/// Starts Nix under its own name with its own libraries, which the programs that it runs do not get.
fn wrapper(path: &Path, home: &Path, loader: &str) -> Result<()> {
    let home = home.display();
    let text = format!(
        "#!/bin/sh\nexport NIX_BIN_DIR='{home}/bin'\nexec '{home}/lib/{loader}' --argv0 \"$0\" --library-path '{home}/lib' '{home}/nix' \"$@\"\n"
    );
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

fn version(bin: &Path) -> Result<String> {
    let nix = bin.join("nix");
    ensure!(nix.exists(), "there is no {}", nix.display());
    run::output(run::command(nix).arg("--version"))
}
