use std::path::PathBuf;

use artifacts_on_target::place::DeployDir;
use artifacts_report::Failure;
use clap::Args;

use crate::activation::Activation;
use crate::console::Console;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;
use crate::signals;

#[derive(Debug, Args)]
pub struct Options {
    #[command(flatten)]
    selectors: Selectors,
    /// RAM-backed directory for the files
    #[arg(long, value_name = "DIR", default_value = "/run/artifacts.d")]
    bytes: PathBuf,
    /// Directory for the symbolic links to the files
    #[arg(long, value_name = "DIR", default_value = "/run/artifacts")]
    links: PathBuf,
    /// Directory of the Nix store
    #[arg(long, value_name = "DIR", default_value = "/nix/store")]
    store: PathBuf,
}

impl Options {
    pub fn run(&self, global: &Global, console: &Console) -> Result<Exit, Failure> {
        let cancel = signals::cancel();
        let activation = Activation::read(global, &self.selectors.parsed())?;
        let farm = DeployDir::open(&self.bytes, &self.links)?;
        let context = activation.context(&farm, &self.store, (global, console), &cancel)?;
        let report = activation.run(context, console);
        if console.json() {
            return Ok(console.report(&report));
        }
        console.failures(&report.errors);
        Ok(if report.errors.is_empty() { Exit::DONE } else { Exit::FAILED })
    }
}
