mod nested;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use artifacts_tests::nix::{Inputs, environment};
use serde_json::Value;

use super::row::Row;
use super::{Bench, clock, on_one};
use xtask::{project, run};

const MACHINES: usize = 100;
const ROUNDS: usize = 11;
const FLEET: &str = "xtask/tasks/src/bench/options/fleet.nix";
const OURS: &str = "nix/modules/nixos.nix";

/// Names whose options a fleet has.
#[derive(Clone, Copy)]
enum Kind {
    /// Those of our modules.
    Ours,
    /// Bare ones, made from the tree of ours.
    Bare,
}

/// Measures what our options cost, without and with all checks for faults, against bare options of the same names and types, which
/// come to the same values. What Nix takes to start, with one bare machine, is taken off both. They take turns, and the ratio is that
/// of a turn: a machine that is busy for a while is so for both.
///
/// # Errors
/// When Nix fails, or options or values are not the same.
pub fn measure(_: &Bench) -> Result<Vec<Row>> {
    let inputs = Inputs::new()?;
    let fleet = Fleet { lib: inputs.path("nixpkgs").join("lib") };
    let count = fleet.same("options")?.as_array().map_or(0, Vec::len);
    fleet.same("values")?;
    println!("  {count} options of the same names and types, and the same values");

    let row = |what, read, at_most| -> Result<Row> {
        let (mut bare, mut ours, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let start = fleet.seconds(Kind::Bare, read, 1)?;
            let without = fleet.seconds(Kind::Bare, read, 1 + MACHINES)? - start;
            let with = fleet.seconds(Kind::Ours, read, 1 + MACHINES)? - start;
            bare.push(without);
            ours.push(with);
            ratios.push(with / without);
        }
        let (bare, ours) = (clock::median(bare)?, clock::median(ours)?);
        Ok(Row {
            what,
            here: format!("{ours:.2} s CPU"),
            against: format!("{bare:.2} s CPU, a bare `evalModules` with the same {count} options, types and values"),
            ratio: clock::median(ratios)?,
            at_most,
        })
    };
    Ok(vec![
        row("our options, 100 machines with 10 artifacts each", "alone", Some(1.1))?,
        row("the same and all checks for faults, which the bare ones do not have", "checked", None)?,
        nested::measure()?,
    ])
}

struct Fleet {
    lib: std::path::PathBuf,
}

impl Fleet {
    /// Returns an attribute of the fleet, which must not depend on whose options they are.
    fn same(&self, attribute: &str) -> Result<Value> {
        let of = |kind| Ok::<Value, anyhow::Error>(serde_json::from_str(&self.eval(kind, attribute)?)?);
        let (bare, ours) = (of(Kind::Bare)?, of(Kind::Ours)?);
        ensure!(!ours.is_null() && bare == ours, "the bare {attribute} differ from those of {OURS}:\n{bare}\n{ours}");
        Ok(ours)
    }

    fn seconds(&self, kind: Kind, read: &str, machines: usize) -> Result<f64> {
        clock::cpu(|| {
            let bytes = self.eval(kind, &format!("{read} {machines}"))?;
            bytes.trim().parse::<usize>().map(drop).context("Nix gives no number")
        })
    }

    fn eval(&self, kind: Kind, attribute: &str) -> Result<String> {
        let top = project::root();
        let path = |file: &Path| format!("(/. + {:?})", file.display().to_string());
        let expression = format!(
            "(import {} {{ lib = import {}; module = import {}; bare = {}; }}).{attribute}",
            path(&top.join(FLEET)),
            path(&self.lib),
            path(&top.join(OURS)),
            matches!(kind, Kind::Bare),
        );
        let mut nix = on_one("nix");
        nix.args(["eval", "--impure", "--json", "--expr", &expression]).env_clear().envs(environment()?);
        run::output(&mut nix)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use artifacts_tests::nix::Inputs;

    use super::Fleet;

    /// Names and types follow from ours; defaults that are computed are written by hand.
    #[test]
    fn bare_options_have_our_names_types_and_values() {
        let fleet = Fleet { lib: Inputs::new().unwrap().path("nixpkgs").join("lib") };
        fleet.same("options").unwrap();
        fleet.same("values").unwrap();
    }
}
