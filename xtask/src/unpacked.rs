//! Debian's packages of another release or architecture, unpacked into a directory and not installed: this machine's own apt is
//! left alone. They come from where this machine's own packages do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{apt, run};

/// Debian's own key, which signs every release.
const KEY: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A part of Debian that packages come from.
#[derive(Debug, Clone, Copy)]
pub struct Suite {
    /// Its archive, as the last part of its address: `debian`, `debian-security`.
    pub archive: &'static str,
    /// Its name, such as `sid`.
    pub name: &'static str,
}

/// An apt that knows some suites, and no package as installed.
pub struct Unpacked(PathBuf);

impl Unpacked {
    /// Works in that directory, and fetches the lists of packages. `architecture` is this machine's if there is none.
    ///
    /// # Errors
    /// When this machine has no such sources, or apt cannot fetch from them.
    pub fn new(dir: &Path, architecture: Option<&str>, suites: &[Suite]) -> Result<Self> {
        ensure!(apt::is_here(), "this needs apt-get and dpkg-deb: Debian's");
        for part in ["lists/partial", "cache/archives/partial", "debs", "root"] {
            fs::create_dir_all(dir.join(part)).with_context(|| dir.display().to_string())?;
        }
        let unpacked = Self(dir.to_owned());
        unpacked.configure(architecture, suites)?;
        run::done(unpacked.apt("apt-get").args(["-q", "update"])).context("the lists of packages cannot be fetched")?;
        Ok(unpacked)
    }

    /// What one of apt's programs says.
    ///
    /// # Errors
    /// When it fails.
    pub fn ask(&self, program: &str, arguments: &[&str]) -> Result<String> {
        run::output(self.apt(program).args(arguments))
    }

    /// The version of a package.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn candidate(&self, package: &str) -> Result<String> {
        let policy = self.ask("apt-cache", &["policy", package])?;
        apt::candidate_of(&policy).with_context(|| format!("apt knows no {package} there"))
    }

    /// The names of a package and of all that it depends on.
    ///
    /// # Errors
    /// When there is no such package.
    pub fn closure(&self, package: &str) -> Result<Vec<String>> {
        let plan = self.ask("apt-get", &["-q", "-s", "--no-install-recommends", "install", package])?;
        let names = plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next());
        Ok(names.map(str::to_owned).collect())
    }

    /// Fetches packages and unpacks them into one directory, which is returned.
    ///
    /// # Errors
    /// When one cannot be had.
    pub fn unpack(&self, packages: &[String]) -> Result<PathBuf> {
        let (debs, root) = (self.0.join("debs"), root(&self.0));
        run::done(self.apt("apt-get").args(["-q", "download"]).args(packages).current_dir(&debs))?;
        for deb in fs::read_dir(&debs)? {
            run::done(run::command("dpkg-deb").arg("-x").arg(deb?.path()).arg(&root))?;
        }
        Ok(root)
    }

    fn configure(&self, architecture: Option<&str>, suites: &[Suite]) -> Result<()> {
        fs::write(self.0.join("sources.list"), sources(&own_addresses()?, architecture, suites)?)?;
        fs::write(self.0.join("status"), "")?;
        let dir = self.0.display();
        let architecture = architecture.map_or_else(String::new, |name| {
            format!("APT::Architecture \"{name}\";\nAPT::Architectures {{ \"{name}\"; }};\n")
        });
        let settings = format!(
            "{architecture}APT::Sandbox::User \"root\";\nDir::State::Lists \"{dir}/lists\";\n\
             Dir::State::Status \"{dir}/status\";\nDir::Cache \"{dir}/cache\";\n\
             Dir::Etc::SourceList \"{dir}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
             Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
             Acquire::Languages \"none\";\nAcquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n"
        );
        Ok(fs::write(self.0.join("apt.conf"), settings)?)
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = run::command(program);
        command.env("APT_CONFIG", self.0.join("apt.conf")).env("LC_ALL", "C");
        command
    }
}

/// Where packages lie that were unpacked in that directory.
pub fn root(dir: &Path) -> PathBuf {
    dir.join("root")
}

/// The list of sources, from the addresses that this machine has.
fn sources(own: &[String], architecture: Option<&str>, suites: &[Suite]) -> Result<String> {
    let options = architecture.map_or_else(String::new, |name| format!("arch={name} "));
    let line = |Suite { archive, name }: &Suite| {
        let address = own.iter().find(|address| address.trim_end_matches('/').rsplit('/').next() == Some(*archive));
        let address = address.with_context(|| format!("none of this machine's apt sources ends in /{archive}"))?;
        Ok(format!("deb [{options}signed-by={KEY}] {address} {name} main\n"))
    };
    suites.iter().map(line).collect()
}

/// The addresses that this machine's packages come from.
fn own_addresses() -> Result<Vec<String>> {
    let arguments = ["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"];
    let said = run::output(run::command("apt-get").args(arguments).env("LC_ALL", "C"))?;
    Ok(said.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::{KEY, Suite, sources};

    #[test]
    fn packages_come_from_where_this_machines_own_do() {
        let own = ["http://m.example/debian-security/", "http://m.example/debian"].map(str::to_owned);
        let suites =
            [Suite { archive: "debian", name: "sid" }, Suite { archive: "debian-security", name: "x-security" }];
        let lines = |architecture| sources(&own, architecture, &suites).unwrap_or_default();
        assert_eq!(
            lines(None),
            format!(
                "deb [signed-by={KEY}] http://m.example/debian sid main\n\
                 deb [signed-by={KEY}] http://m.example/debian-security/ x-security main\n"
            )
        );
        assert!(lines(Some("arm64")).starts_with(&format!("deb [arch=arm64 signed-by={KEY}] ")));
    }

    #[test]
    fn a_machine_without_debians_archive_is_told_so() {
        let own = ["http://m.example/ubuntu".to_owned()];
        let refused =
            sources(&own, None, &[Suite { archive: "debian", name: "sid" }]).map_err(|error| error.to_string());
        assert_eq!(refused, Err("none of this machine's apt sources ends in /debian".to_owned()));
    }
}
