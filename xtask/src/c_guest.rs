//! The example backend in C: its bindings are generated from the contract, and it is linked with the system's clang and
//! wasi-libc, which Debian and Ubuntu have.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::wasm::Toolchain;
use crate::{apt, guests, project, run};

/// Where Debian's wasi-libc is.
const LIBC: &str = "/usr/lib/wasm32-wasi";
const HEADERS: &str = "/usr/include/wasm32-wasi";

/// Builds it into `target/guests/in-c.wasm`.
///
/// # Errors
/// When the tools are missing and cannot be installed, or it does not build.
pub fn build(toolchain: &Toolchain) -> Result<()> {
    let clang = clang()?;
    let dir = guests::dir().join("in-c");
    fs::create_dir_all(&dir)?;
    let source = project::plugins().join("examples/in-c");
    bindings(&source, &dir)?;
    let component = project::root().join("target/guests/in-c.wasm");
    fs::create_dir_all(component.parent().context("no directory")?)?;
    compile(&clang, &source, &dir)?;
    link(&clang, toolchain, &dir, &component)?;
    println!("{:>8} kB  {}", fs::metadata(&component)?.len() / 1000, component.display());
    Ok(())
}

/// C for the example's world.
fn bindings(source: &Path, into: &Path) -> Result<()> {
    let mut generate = run::command(tool("c-bindings")?);
    run::done(generate.arg(project::root().join("wit")).arg(source.join("world.wit")).arg(into))
}

/// A program of the workspace for tools that only the tests need.
///
/// # Errors
/// When it does not build.
pub fn tool(name: &str) -> Result<PathBuf> {
    let built = project::target().join("c-bindings");
    let mut cargo = run::cargo();
    cargo.args(["build", "--release", "--locked", "--target-dir"]).arg(&built);
    run::done(cargo.current_dir(project::root().join("xtask/c-bindings")))?;
    Ok(built.join("release").join(name))
}

fn compile(clang: &Clang, source: &Path, dir: &Path) -> Result<()> {
    let mut command = Command::new(&clang.program);
    command
        .args([
            "--target=wasm32-wasip1",
            "-Os",
            "-std=gnu17",
            "-Wall",
            "-Wextra",
            "-fvisibility=hidden",
            "-isystem",
            HEADERS,
            "-c",
        ])
        .arg(format!("-I{}", dir.display()))
        .arg(format!("-ffile-prefix-map={}=/artifacts", project::root().display()))
        .arg(source.join("backend.c"))
        .arg(dir.join("in_c.c"))
        // The manifest is taken in by its name.
        .arg(format!("-Wa,-I{}", source.display()))
        .current_dir(dir);
    run::done(&mut command)
}

fn link(clang: &Clang, toolchain: &Toolchain, dir: &Path, component: &Path) -> Result<()> {
    let tools = PathBuf::from(toolchain.sysroot()?).join("lib/rustlib/x86_64-unknown-linux-gnu/bin");
    let mut command = Command::new(tools.join("wasm-component-ld"));
    command
        .arg(format!("--wasm-ld-path={}", clang.linker.display()))
        .args(["--entry", "_initialize", "--gc-sections", "--strip-debug"])
        .arg(Path::new(LIBC).join("crt1-reactor.o"))
        .args(["backend.o", "in_c.o", "in_c_component_type.o"])
        .args(["-L", LIBC, "-lc"])
        .arg(&clang.builtins)
        .arg("-o")
        .arg(component)
        .current_dir(dir);
    run::done(&mut command)
}

/// What compiles and links C for WebAssembly.
struct Clang {
    program: PathBuf,
    linker: PathBuf,
    builtins: PathBuf,
}

fn clang() -> Result<Clang> {
    if let Some(clang) = found() {
        return Ok(clang);
    }
    if apt::may_install()
        && let Some(version) = offered()
    {
        let builtins = format!("libclang-rt-{version}-dev-wasm32");
        let packages = [&format!("clang-{version}"), &format!("lld-{version}"), builtins.as_str(), "wasi-libc"];
        println!("Installing with apt-get: {}", packages.join(" "));
        apt::install(&packages)?;
    }
    match found() {
        Some(clang) => Ok(clang),
        None => bail!(
            "the example in C needs clang, lld, compiler-rt for wasm32 and wasi-libc \
             (apt-get install clang lld libclang-rt-dev-wasm32 wasi-libc)"
        ),
    }
}

/// The newest clang whose parts are all there.
fn found() -> Option<Clang> {
    if !Path::new(LIBC).join("crt1-reactor.o").exists() {
        return None;
    }
    versions().find_map(|version| {
        let library = format!("/usr/lib/llvm-{version}");
        let clang = Clang {
            program: run::find(&format!("clang-{version}"))?,
            linker: run::find(&format!("wasm-ld-{version}"))?,
            builtins: PathBuf::from(format!("{library}/lib/clang/{version}/lib/wasi/libclang_rt.builtins-wasm32.a")),
        };
        clang.builtins.exists().then_some(clang)
    })
}

/// The newest that apt-get could install.
fn offered() -> Option<u32> {
    versions().find(|version| {
        [format!("clang-{version}"), format!("libclang-rt-{version}-dev-wasm32")]
            .iter()
            .all(|package| apt::candidate(package).is_some())
    })
}

/// From new to old; older ones lay their files out differently.
fn versions() -> impl Iterator<Item = u32> {
    (16..=30).rev()
}
