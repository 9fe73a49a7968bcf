//! Other implementations of age, which the tests compare with: its newest release and a plugin, of Debian's release sid, and that in
//! JavaScript, of Node's package index.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use xtask::unpacked::{Suite, Unpacked};

use crate::{npm, project, run};

/// Names a directory with `age`, `age-keygen` and `age-plugin-tpm` in place of Debian's.
const GIVEN: &str = "ARTIFACTS_TEST_AGE";

/// The first release that has post-quantum keys and tags.
const SINCE: (u32, u32) = (1, 3);

/// Puts both into `target/test-tools`, unless they are there.
///
/// # Errors
/// When one cannot be had; says what is missing.
pub fn ready() -> Result<()> {
    newest()?;
    javascript()
}

fn newest() -> Result<()> {
    if std::env::var_os(GIVEN).is_some() {
        return Ok(());
    }
    let bin = tools().join("age/bin");
    let is_new = || run::output(run::command(bin.join("age")).arg("--version")).is_ok_and(|said| is_newer(&said));
    if is_new() && bin.join("age-plugin-tpm").exists() {
        return Ok(());
    }
    println!("Unpacking the age of Debian's release sid in {}", bin.display());
    let work = tools().join(format!("age-{}", std::process::id()));
    let apt = Unpacked::new(&work, None, &[Suite { archive: "debian", name: "sid" }]);
    let made = apt.and_then(|apt| {
        let root = apt.unpack(&["age".to_owned(), "age-plugin-tpm".to_owned()])?;
        fs::create_dir_all(&bin)?;
        for name in ["age", "age-keygen", "age-plugin-tpm"] {
            fs::rename(root.join("usr/bin").join(name), bin.join(name))?;
        }
        Ok(())
    });
    let _ = fs::remove_dir_all(&work);
    made.with_context(|| format!("age 1.3 cannot be had; {GIVEN} may name the directory of another"))?;
    if is_new() { Ok(()) } else { bail!("{} does not run, or is older than 1.3", bin.display()) }
}

/// Whether it is new enough. `v1.3.1`, or what Debian makes of it.
fn is_newer(version: &str) -> bool {
    let mut numbers = version.trim().trim_start_matches('v').split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().zip(numbers.next()).is_some_and(|version| version >= SINCE)
}

fn javascript() -> Result<()> {
    let source = project::root().join("xtask/age-javascript");
    npm::install(&source, &tools().join("age-javascript"), "age.mjs", "age in JavaScript, which the tests compare with")
}

fn tools() -> PathBuf {
    project::root().join("target/test-tools")
}

#[cfg(test)]
mod tests {
    use super::is_newer;

    #[test]
    fn versions_are_compared_as_numbers() {
        for (version, newer) in
            [("v1.3.1", true), ("1.10.0", true), ("2.0.0", true), ("1.2.1", false), ("(devel)", false)]
        {
            assert_eq!(is_newer(version), newer, "{version}");
        }
    }
}
