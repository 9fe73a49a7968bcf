use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use artifacts_tests::nix::{Inputs, environment};
use serde_json::Value;
use xtask::{project, run};

use super::Kind;
use crate::row::Row;

/// Machines, besides the one that is taken off with what Nix takes to start.
const MACHINES: u32 = 4;
const NESTED: &str = "xtask/tasks/src/bench/options/nested.nix";

/// Measures what Nix allocates for a machine with others inside, under our options and under bare ones. It is the same in each run.
///
/// # Errors
/// When Nix fails.
pub fn measure() -> Result<Row> {
    let fleet = Fleet::new()?;
    let (count, _) = fleet.eval(Kind::Ours, "artifacts")?;
    println!("  {count} artifacts of a machine, a container, a user and a specialisation");
    let of = |kind| {
        Ok::<f64, anyhow::Error>((fleet.bytes(kind, 1 + MACHINES)? - fleet.bytes(kind, 1)?) / f64::from(MACHINES))
    };
    let (ours, bare) = (of(Kind::Ours)?, of(Kind::Bare)?);
    Ok(Row {
        what: "memory that Nix allocates for a machine with a container, a user and a specialisation, 31 artifacts in all",
        here: format!("{:.1} MB", ours / 1e6),
        against: format!("{:.1} MB, the same configurations with bare options of the same names and types", bare / 1e6),
        ratio: ours / bare,
        at_most: Some(1.1),
    })
}

struct Fleet {
    /// The directory of the tests' inputs.
    stubs: PathBuf,
}

impl Fleet {
    fn new() -> Result<Self> {
        let stubs = Inputs::new()?.path("nixpkgs").parent().context("an input is in a directory")?.to_owned();
        Ok(Self { stubs })
    }

    /// Returns the bytes that Nix allocates for so many machines.
    fn bytes(&self, kind: Kind, machines: u32) -> Result<f64> {
        self.eval(kind, &format!("bytes {machines}")).map(|(_, bytes)| bytes)
    }

    /// Returns an attribute, and the bytes that Nix allocates for it.
    fn eval(&self, kind: Kind, attribute: &str) -> Result<(Value, f64)> {
        let top = project::root();
        let path = |file: &Path| format!("(/. + {:?})", file.display().to_string());
        let expression = format!(
            "(import {} {{ lib = import {}; stubs = {}; modules = {}; collect = import {}; bare = {}; }}).{attribute}",
            path(&top.join(NESTED)),
            path(&self.stubs.join("nixpkgs/lib")),
            path(&self.stubs),
            path(&top.join("nix/modules")),
            path(&top.join("nix/lib/collect.nix")),
            matches!(kind, Kind::Bare),
        );
        let statistics = tempfile::NamedTempFile::new()?;
        let mut nix = run::command("nix");
        nix.args(["eval", "--impure", "--json", "--expr", &expression]).env_clear().envs(environment()?);
        nix.env("NIX_SHOW_STATS", "1").env("NIX_SHOW_STATS_PATH", statistics.path());
        let value = serde_json::from_str(&run::output(&mut nix)?)?;
        let statistics: Value = serde_json::from_slice(&std::fs::read(statistics.path())?)?;
        Ok((value, statistics["gc"]["totalBytes"].as_f64().context("Nix does not say what it allocates")?))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Fleet, Kind};

    #[test]
    fn the_row_says_how_many_artifacts_there_are_under_either_options() {
        let fleet = Fleet::new().unwrap();
        for kind in [Kind::Ours, Kind::Bare] {
            assert_eq!(fleet.eval(kind, "artifacts").unwrap().0, 31);
        }
    }
}
