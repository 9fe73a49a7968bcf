use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use xtask::unpacked::{self, Suite, Unpacked};

/// What the emulated machine has besides its kernels.
const LIBRARIES: &[&str] = &[
    "busybox-static",
    "libc6",
    "libgcc-s1",
    "strace",
    "libunwind8",
    "liblzma5",
    "procps",
    "libproc2-0",
    "libtinfo6",
    "libncursesw6",
    "libsystemd0",
    "liblz4-1",
    "libzstd1",
    "libgcrypt20",
    "libgpg-error0",
    "libcap2",
];
/// A kernel before Linux 6.12, and one from then on.
const KERNELS: [&str; 2] = ["bookworm-security", "bookworm-backports"];

const SUITES: [Suite; 3] = [
    Suite { archive: "debian", name: "bookworm" },
    Suite { archive: "debian-security", name: KERNELS[0] },
    Suite { archive: "debian", name: KERNELS[1] },
];

/// Debian's packages for arm64.
pub struct Packages(PathBuf);

impl Packages {
    /// What lies there already, or all of it, fetched now (300 MB).
    ///
    /// # Errors
    /// When apt cannot.
    pub fn fetch(dir: &Path) -> Result<Self> {
        let packages = Self(dir.to_owned());
        if dir.join("ok").exists() {
            return Ok(packages);
        }
        let apt = Unpacked::new(dir, Some("arm64"), &SUITES)?;
        let std = same_std(&apt)?;
        let mut wanted = LIBRARIES.iter().map(ToString::to_string).chain(std).collect::<Vec<_>>();
        for suite in KERNELS {
            wanted.push(kernel_of(&apt, suite)?);
        }
        apt.unpack(&wanted)?;
        fs::write(dir.join("ok"), "")?;
        Ok(packages)
    }

    /// Where everything is unpacked.
    pub fn root(&self) -> PathBuf {
        unpacked::root(&self.0)
    }

    /// A directory for what is made of it.
    pub fn made(&self) -> PathBuf {
        self.0.join("made")
    }

    /// The kernels, older first.
    ///
    /// # Errors
    /// When there are none.
    pub fn kernels(&self) -> Result<Vec<PathBuf>> {
        let boot = self.root().join("boot");
        let entries = fs::read_dir(&boot).with_context(|| boot.display().to_string())?;
        let mut kernels: Vec<PathBuf> = entries
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")))
            .collect();
        let minor = |path: &PathBuf| {
            let name = path.file_name()?.to_string_lossy().into_owned();
            name.split(['.', '-']).nth(2)?.parse::<u32>().ok()
        };
        kernels.sort_by_key(minor);
        Ok(kernels)
    }
}

/// The std of the compiler that builds the guests, to the very version.
fn same_std(apt: &Unpacked) -> Result<Vec<String>> {
    let version = apt.candidate("libstd-rust-web-dev")?;
    let series = version.split(['.', '+']).take(2).collect::<Vec<_>>().join(".");
    Ok(vec![format!("libstd-rust-web-dev={version}"), format!("libstd-rust-web-{series}={version}")])
}

/// The package that the suite's current kernel is in.
fn kernel_of(apt: &Unpacked, suite: &str) -> Result<String> {
    let text = apt.ask("apt-cache", &["show", &format!("linux-image-arm64/{suite}")])?;
    let depends = text.lines().find_map(|line| line.strip_prefix("Depends: "));
    let image = depends.and_then(|list| list.split([',', ' ']).find(|name| name.starts_with("linux-image-")));
    image.map(str::to_owned).with_context(|| format!("{suite} has no kernel for arm64"))
}
