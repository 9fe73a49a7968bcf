//! A compiler for the guests.
//!
//! One that already has the target is always used: from rustup, from Nix, from a distribution. Nothing is downloaded through
//! rustup. On Debian and Ubuntu, a private toolchain is made otherwise, in the user's cache: Debian's rustc-web with its own
//! library's source and wasi-libc, unpacked and not installed, since rustc-web conflicts with rustc.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{apt, project, run};

/// What guests are built for.
pub const TARGET: &str = "wasm32-wasip2";

/// The oldest Rust that compiles them, such as `1.95`.
const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// A compiler that has the target.
pub struct Toolchain {
    /// Its rustc.
    pub rustc: PathBuf,
}

impl Toolchain {
    /// Its sysroot, which must not show in what it builds.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn sysroot(&self) -> Result<String> {
        run::output(run::command(&self.rustc).args(["--print", "sysroot"]))
    }
}

/// The compiler at hand, or the private one, made when it is not there.
///
/// # Errors
/// When there is none and none can be made: says how one is got.
pub fn toolchain() -> Result<Toolchain> {
    let usual = std::env::var_os("RUSTC").map_or_else(|| PathBuf::from("rustc"), PathBuf::from);
    if has_target(&usual, TARGET) {
        return Ok(Toolchain { rustc: usual });
    }
    let home = private_home();
    let rustc = home.join("bin/rustc");
    if !(home.join("ok").exists() && has_target(&rustc, TARGET) && version(&rustc).is_ok_and(|it| is_recent(&it))) {
        if !apt::is_here() {
            bail!(
                "this Rust cannot build for {TARGET}. Get the target:\n  with rustup:  rustup target add {TARGET}\n  \
                 with Nix:     rust-overlay's toolchain with targets = [ \"{TARGET}\" ]"
            );
        }
        make(&home).with_context(|| {
            format!(
                "no toolchain for {TARGET} could be made of Debian's packages. Where rustup may be used, \
                 `rustup target add {TARGET}` is enough"
            )
        })?;
    }
    Ok(Toolchain { rustc })
}

/// Whether a compiler has a target's std.
pub fn has_target(rustc: &Path, target: &str) -> bool {
    let libdir = run::command(rustc).args(["--print", "target-libdir", "--target", target]).output();
    let Ok(libdir) = libdir else { return false };
    let dir = PathBuf::from(String::from_utf8_lossy(&libdir.stdout).trim());
    let Ok(entries) = fs::read_dir(dir) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.starts_with("libstd-") && name.ends_with(".rlib")
    })
}

/// Where the private toolchain is, once it was made.
pub fn private_home() -> PathBuf {
    cache_home().join("wasm-sdk")
}

/// `$XDG_CACHE_HOME/artifacts`, so that a fresh checkout need not make again what is in there.
pub fn cache_home() -> PathBuf {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    cache.unwrap_or_else(project::target).join("artifacts")
}

/// Makes the private toolchain beside its place and moves it there, so that an interrupted run leaves none.
fn make(home: &Path) -> Result<()> {
    println!(
        "This Rust has no std for {TARGET}; making one of Debian's packages in {} (about a minute, 550 MB).",
        home.display()
    );
    let work = home.with_extension(format!("work-{}", std::process::id()));
    let result = make_in(&work).and_then(|()| {
        let _ = fs::remove_dir_all(home);
        fs::rename(work.join("sdk"), home).context("the finished toolchain cannot be moved to its place")
    });
    let _ = fs::remove_dir_all(&work);
    result
}

fn make_in(work: &Path) -> Result<()> {
    let (packages, sdk, unpacked) = (work.join("packages"), work.join("sdk"), work.join("unpacked"));
    for dir in [&packages, &sdk.join("bin"), &sdk.join("lib"), &unpacked] {
        fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    }
    download(&packages)?;
    unpack(&packages, &unpacked)?;
    let source = arrange(&unpacked, &sdk)?;
    build_std(&source, &sdk, &work.join("build"))?;
    libc(&unpacked, &sdk)?;
    Ok(fs::write(sdk.join("ok"), "")?)
}

/// The packages, with fresh lists of them when the ones at hand do not do: Debian's security updates move the version, and
/// what an older list names is too old or gone.
fn download(into: &Path) -> Result<()> {
    download_listed(into).or_else(|why| {
        if !apt::may_install() {
            return Err(why.context("`apt-get update`, as root, may help"));
        }
        apt::update()?;
        download_listed(into)
    })
}

fn download_listed(into: &Path) -> Result<()> {
    let version = apt::candidate("rustc-web").context("apt knows no package rustc-web")?;
    if !is_recent(&version) {
        bail!("expected a package rustc-web of Rust {OLDEST} or newer, found {version}");
    }
    let series = version.split(['.', '+']).take(2).collect::<Vec<_>>().join(".");
    let std = format!("libstd-rust-web-{series}");
    let depends = run::output(run::command("apt-cache").args(["depends", &std]).env("LC_ALL", "C"))?;
    let llvm = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: ").filter(|name| name.starts_with("libllvm")))
        .with_context(|| format!("{std} depends on no libllvm"))?;
    let pinned = ["rustc-web", "libstd-rust-web-dev", &std, "rust-web-src"].map(|name| format!("{name}={version}"));
    run::done(
        run::command("apt-get")
            .args(["-q", "-o", "APT::Sandbox::User=root", "download"])
            .args(&pinned)
            .args([llvm, "wasi-libc"])
            .current_dir(into),
    )
}

fn unpack(packages: &Path, into: &Path) -> Result<()> {
    for entry in fs::read_dir(packages)? {
        run::done(run::command("dpkg-deb").arg("-x").arg(entry?.path()).arg(into))?;
    }
    Ok(())
}

/// Puts compiler and libraries where rustc looks for them, relative to itself. The directory of the library's source.
fn arrange(unpacked: &Path, sdk: &Path) -> Result<PathBuf> {
    let usr = unpacked.join("usr");
    for library in fs::read_dir(only(&usr.join("lib"), |name| name.ends_with("-linux-gnu"))?)? {
        let library = library?;
        if library.file_name().to_string_lossy().contains(".so") {
            fs::rename(library.path(), sdk.join("lib").join(library.file_name()))?;
        }
    }
    let _ = fs::remove_dir_all(usr.join("lib/rustlib/src"));
    fs::rename(usr.join("lib/rustlib"), sdk.join("lib/rustlib"))?;
    for name in ["rustc", "rustdoc"] {
        fs::rename(usr.join("bin").join(name), sdk.join("bin").join(format!("{name}.real")))?;
        wrapper(&sdk.join("bin").join(name), name)?;
    }
    linkers(sdk)?;
    let source = sdk.join("lib/rustlib/src/rust");
    fs::create_dir_all(&source)?;
    let debian = only(&usr.join("src"), |name| name.starts_with("rustc-"))?;
    fs::rename(debian.join("library"), source.join("library"))?;
    Ok(source)
}

/// Starts the compiler with its own libraries, wherever the directory lies.
fn wrapper(path: &Path, name: &str) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let text = format!(
        "#!/bin/sh\nd=$(dirname \"$(readlink -f \"$0\")\")\n\
         LD_LIBRARY_PATH=\"$d/../lib${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}}\" exec \"$d/{name}.real\" \"$@\"\n"
    );
    fs::write(path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// Debian's packages have no `wasm-component-ld`; the usual toolchain's directory does. A link, since `rust-lld` finds its own
/// libraries from where it really lies.
fn linkers(sdk: &Path) -> Result<()> {
    let sysroot = run::output(run::command("rustc").args(["--print", "sysroot"]))?;
    let host = host(Path::new("rustc"))?;
    let tools = PathBuf::from(sysroot).join("lib/rustlib").join(&host).join("bin");
    if !tools.join("wasm-component-ld").exists() {
        bail!("{} has no wasm-component-ld; a toolchain from rustup has one", tools.display());
    }
    let place = sdk.join("lib/rustlib").join(host).join("bin");
    std::os::unix::fs::symlink(&tools, &place).with_context(|| format!("cannot link {}", place.display()))
}

/// Such as `1.95.0`.
fn version(rustc: &Path) -> Result<String> {
    let version = run::output(run::command(rustc).arg("-V"))?;
    version.split(' ').nth(1).map(str::to_owned).context("rustc -V names no version")
}

/// Whether guests compile with a Rust, by its version or that of Debian's package. What cannot be read is none.
fn is_recent(version: &str) -> bool {
    let series = |version: &str| {
        let mut numbers = version.split(['.', '+', '~', '-']).map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    };
    series(version).is_some_and(|it| series(OLDEST).is_some_and(|oldest| it >= oldest))
}

fn host(rustc: &Path) -> Result<String> {
    let version = run::output(run::command(rustc).arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("rustc -vV names no host")
}

/// The std, once, as the Rust project's own distribution builds it, without what is beside it there for tests and macros: those
/// of guests run on this machine's own processor.
fn build_std(source: &Path, sdk: &Path, build: &Path) -> Result<()> {
    let rustc = sdk.join("bin/rustc");
    let version = version(&rustc)?;
    let library = source.join("library");
    let flags = [
        "-Zforce-unstable-if-unmarked".to_owned(),
        "-Cembed-bitcode=yes".to_owned(),
        format!("--remap-path-prefix={}=/rustc/{version}", source.display()),
        format!("--remap-path-prefix={}=/cargo", crate::guests::cargo_home()?.display()),
    ];
    let mut cargo = run::cargo();
    cargo
        .args(["build", "--release", "--locked", "--target", TARGET, "--features", "panic-unwind", "--manifest-path"])
        .arg(library.join("std/Cargo.toml"))
        .current_dir(&library)
        .env_remove("RUSTFLAGS")
        .env("RUSTC", &rustc)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_DEFAULT_LIB_METADATA", "stablestd")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "0")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_TARGET_DIR", build)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    run::done(&mut cargo).context("the std does not build")?;
    let place = sdk.join("lib/rustlib").join(TARGET).join("lib");
    fs::create_dir_all(&place)?;
    for file in fs::read_dir(build.join(TARGET).join("release/deps"))? {
        let file = file?;
        if file.path().extension().is_some_and(|ending| ending == "rlib") {
            fs::copy(file.path(), place.join(file.file_name()))?;
        }
    }
    Ok(())
}

fn libc(unpacked: &Path, sdk: &Path) -> Result<()> {
    let lib = unpacked.join("usr/lib");
    let dir = [TARGET, "wasm32-wasi"].map(|name| lib.join(name)).into_iter().find(|dir| dir.is_dir());
    let dir = dir.context("wasi-libc has no library for this target")?;
    let place = sdk.join("lib/rustlib").join(TARGET).join("lib/self-contained");
    fs::create_dir_all(&place)?;
    for name in ["libc.a", "crt1-command.o", "crt1-reactor.o"] {
        fs::copy(dir.join(name), place.join(name)).with_context(|| format!("wasi-libc has no {name}"))?;
    }
    Ok(())
}

/// The one entry of a directory with such a name.
fn only(dir: &Path, fits: impl Fn(&str) -> bool) -> Result<PathBuf> {
    let entries = fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let mut found = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| fits(&name.to_string_lossy())));
    found.next().with_context(|| format!("{} has not what was expected in it", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, is_recent};

    #[test]
    fn a_rust_older_than_the_guests_is_not_taken() {
        for version in [OLDEST, "1.95.0", "1.96.0+dfsg1-1~deb12u1", "1.100.0-nightly", "2.0.0"] {
            assert!(is_recent(version), "{version}");
        }
        for version in ["1.85.0+dfsg3-1~deb12u3", "1.94.1", "0.99.0", "1", "", "one.two"] {
            assert!(!is_recent(version), "{version}");
        }
    }
}
