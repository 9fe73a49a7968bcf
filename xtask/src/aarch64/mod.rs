//! The worker's tests on the other architecture: compiled here, run by an emulated machine under real kernels, with real
//! Landlock and seccomp. Slow, and no part of the normal tests.

mod compiler;
mod machine;
mod packages;

use anyhow::{Result, ensure};

use crate::tally::Tally;
use crate::{apt, composed, guests, run, setup, wasm};
use packages::Packages;

/// What is compiled for.
const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";

/// Compiles the tests of the boundary and runs them under each kernel: one before Linux 6.12, which has less of Landlock, and one
/// from then on. The last line of each run counts.
///
/// # Errors
/// When something is missing, does not compile, or a test fails.
pub fn run() -> Result<()> {
    ensure!(apt::may_install(), "this needs Debian, and root: compiler, kernels and libraries are its packages");
    for (program, package) in
        [(LINKER, "gcc-aarch64-linux-gnu"), ("qemu-system-aarch64", "qemu-system-arm"), ("cpio", "cpio")]
    {
        if run::find(program).is_none() {
            apt::install(&[package, "libc6-dev-arm64-cross"])?;
        }
    }
    guests::build(&setup::ready()?.wasm)?;
    composed::build()?;
    let packages = Packages::fetch(&wasm::cache_home().join("aarch64"))?;
    let tests = compiler::tests(&packages)?;
    let initrd = machine::initrd(&packages, &tests)?;
    let mut failed = Vec::new();
    for kernel in packages.kernels()? {
        println!("\n== {}", kernel.display());
        let tally = machine::boot(&kernel, &initrd, tests.programs.len())?;
        println!("{tally}");
        if tally.failed > 0 || tally == Tally::default() {
            failed.push(kernel.display().to_string());
        }
    }
    ensure!(failed.is_empty(), "tests failed under {}", failed.join(", "));
    Ok(())
}
