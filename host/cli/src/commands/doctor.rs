use artifacts_report::{Area, Failure, RowFilter};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use crate::console::Console;
use crate::doctor::Doctor;
use crate::exit::Exit;
use crate::global::Global;

#[derive(Debug, Args)]
pub struct Options {
    /// What to check [default: everything]
    #[arg(value_name = "AREA", value_parser = PossibleValuesParser::new(Area::ALL.map(Area::as_str)).map(|word| area(&word)))]
    areas: Vec<Area>,
    /// List everything, also what is as it should be
    #[arg(long)]
    all: bool,
}

/// The area of a word that was accepted.
fn area(word: &str) -> Area {
    Area::ALL.into_iter().find(|area| area.as_str() == word).unwrap_or(Area::Workers)
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let doctor = Doctor::new(global, *console)?;
        let checkup = doctor.examine(if self.areas.is_empty() { &Area::ALL } else { &self.areas });
        Ok(console.checkup(&checkup, if self.all { RowFilter::All } else { RowFilter::Work }))
    }
}
