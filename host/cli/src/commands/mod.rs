//! One file a command, each thin.

pub mod activate;
pub mod adopt;
pub mod audit;
pub mod backend;
pub mod completions;
pub mod edit;
pub mod export;
pub mod generate;
pub mod get;
pub mod graph;
pub mod man;
pub mod prune;
pub mod rekey;
pub mod schema;
pub mod set;
pub mod sops_config;
pub mod status;

use std::process::ExitCode;

use artifacts_report::Failure;

use crate::args::{Cli, Command};
use crate::output::Output;

/// An exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status(u8);

impl Status {
    pub const DONE: Self = Self(0);
    /// Something failed.
    pub const FAILED: Self = Self(1);
    /// Wrong usage.
    pub const USAGE: Self = Self(2);
}

impl From<u8> for Status {
    fn from(status: u8) -> Self {
        Self(status)
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status.0)
    }
}

/// Whether a command changes what is stored.
pub fn stores(cli: &Cli) -> bool {
    use Command::{Adopt, Edit, Generate, Prune, Rekey, Set};
    matches!(cli.command, Generate(_) | Set(_) | Edit(_) | Rekey(_) | Prune(_) | Adopt(_))
}

pub fn run(cli: &Cli, output: &Output) -> Result<Status, Failure> {
    match &cli.command {
        Command::Status(options) => options.run(&cli.global, output),
        Command::Generate(options) => options.run(&cli.global, output),
        Command::Get(options) => options.run(&cli.global, output),
        Command::Set(options) => options.run(&cli.global, output),
        Command::Edit(options) => options.run(&cli.global, output),
        Command::Rekey(options) => options.run(&cli.global, output),
        Command::Export(options) => options.run(&cli.global, output),
        Command::Prune(options) => options.run(&cli.global, output),
        Command::Graph(options) => options.run(&cli.global, output),
        Command::Adopt(options) => options.run(&cli.global, output),
        Command::SopsConfig(options) => options.run(&cli.global, output),
        Command::Activate(options) => options.run(&cli.global, output),
        Command::Audit(options) => options.run(&cli.global, output),
        Command::Backend(command) => command.run(&cli.global, output),
        Command::Schema(options) => options.run(output),
        Command::Completions(options) => options.run(output),
        Command::Man(options) => options.run(output),
    }
}
