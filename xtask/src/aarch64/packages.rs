use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

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

/// Debian's packages for arm64, unpacked into a directory and not installed: this machine's own apt is left alone.
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
        for part in ["lists/partial", "cache/archives/partial", "debs", "root"] {
            fs::create_dir_all(dir.join(part)).with_context(|| dir.display().to_string())?;
        }
        packages.configure()?;
        run::done(packages.apt("apt-get").args(["-q", "update"]))?;
        let std = packages.same_std()?;
        let mut wanted = LIBRARIES.iter().map(ToString::to_string).chain(std).collect::<Vec<_>>();
        for suite in KERNELS {
            wanted.push(packages.kernel_of(suite)?);
        }
        run::done(packages.apt("apt-get").args(["-q", "download"]).args(&wanted).current_dir(dir.join("debs")))?;
        for deb in fs::read_dir(dir.join("debs"))? {
            run::done(run::command("dpkg-deb").arg("-x").arg(deb?.path()).arg(packages.root()))?;
        }
        fs::write(dir.join("ok"), "")?;
        Ok(packages)
    }

    /// Where everything is unpacked.
    pub fn root(&self) -> PathBuf {
        self.0.join("root")
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

    /// The std of the compiler that builds the guests, to the very version.
    fn same_std(&self) -> Result<Vec<String>> {
        let version = self.candidate("libstd-rust-web-dev")?;
        let series = version.split(['.', '+']).take(2).collect::<Vec<_>>().join(".");
        Ok(vec![format!("libstd-rust-web-dev={version}"), format!("libstd-rust-web-{series}={version}")])
    }

    fn candidate(&self, package: &str) -> Result<String> {
        let policy = run::output(self.apt("apt-cache").args(["policy", package]))?;
        let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
        version.map(str::to_owned).with_context(|| format!("apt knows no {package} for arm64"))
    }

    /// The package that the suite's current kernel is in.
    fn kernel_of(&self, suite: &str) -> Result<String> {
        let mut show = self.apt("apt-cache");
        let text = run::output(show.args(["show", &format!("linux-image-arm64/{suite}")]))?;
        let depends = text.lines().find_map(|line| line.strip_prefix("Depends: "));
        let image = depends.and_then(|list| list.split([',', ' ']).find(|name| name.starts_with("linux-image-")));
        image.map(str::to_owned).with_context(|| format!("{suite} has no kernel for arm64"))
    }

    fn configure(&self) -> Result<()> {
        let dir = self.0.display();
        let line = |archive: &str, suite: &str| {
            let key = "/usr/share/keyrings/debian-archive-keyring.gpg";
            format!("deb [arch=arm64 signed-by={key}] http://deb.debian.org/{archive} {suite} main\n")
        };
        let sources = [
            line("debian", "bookworm"),
            line("debian-security", "bookworm-security"),
            line("debian", "bookworm-backports"),
        ];
        fs::write(self.0.join("sources.list"), sources.concat())?;
        fs::write(self.0.join("status"), "")?;
        let settings = format!(
            "APT::Architecture \"arm64\";\nAPT::Architectures {{ \"arm64\"; }};\nAPT::Sandbox::User \"root\";\n\
             Dir::State::Lists \"{dir}/lists\";\nDir::State::Status \"{dir}/status\";\nDir::Cache \"{dir}/cache\";\n\
             Dir::Etc::SourceList \"{dir}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             Acquire::Languages \"none\";\n"
        );
        Ok(fs::write(self.0.join("apt.conf"), settings)?)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = run::command(program);
        command.env("APT_CONFIG", self.0.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}
