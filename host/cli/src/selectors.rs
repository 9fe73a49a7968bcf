//! The SELECTOR arguments of a command.

use artifacts_plan::Selector;
use clap::Args;

// No documentation comment: it would become the help of each command that has these.
#[derive(Debug, Clone, Args)]
pub struct Selectors {
    /// Machine, user, artifact, instance or glob [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
}

impl Selectors {
    /// Returns what was typed, as selectors.
    pub fn parsed(&self) -> Vec<Selector> {
        self.selectors.iter().map(Selector::new).collect()
    }
}
