//! Debian's packages.

use anyhow::{Context, Result};

use crate::run;

/// Whether this is Debian or Ubuntu, by its tools.
pub fn is_here() -> bool {
    run::find("apt-get").is_some() && run::find("dpkg-deb").is_some()
}

/// Whether packages may be installed.
pub fn may_install() -> bool {
    is_here() && run::output(run::command("id").arg("-u")).is_ok_and(|uid| uid == "0")
}

/// Installs packages, with fresh lists when the ones at hand do not do.
///
/// # Errors
/// When apt-get fails.
pub fn install(packages: &[&str]) -> Result<()> {
    let install = || {
        run::done(
            run::command("apt-get")
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(packages)
                .env("DEBIAN_FRONTEND", "noninteractive"),
        )
    };
    install().or_else(|_| {
        update()?;
        install()
    })
}

/// Fetches the lists of packages.
///
/// # Errors
/// When apt-get fails.
pub fn update() -> Result<()> {
    run::done(run::command("apt-get").args(["update", "-q"])).context("the lists of packages cannot be fetched")
}

/// The version that would be installed now.
pub fn candidate(package: &str) -> Option<String> {
    let policy = run::output(run::command("apt-cache").args(["policy", package]).env("LC_ALL", "C")).ok()?;
    candidate_of(&policy)
}

/// The version that `apt-cache policy` names.
pub(crate) fn candidate_of(policy: &str) -> Option<String> {
    let version = policy.lines().find_map(|line| line.trim().strip_prefix("Candidate: "))?;
    (version != "(none)").then(|| version.to_owned())
}
