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

use artifacts_report::Failure;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::exit::Exit;
use crate::global::Global;
use crate::output::Output;
use crate::standard_input::is_standard_input;

/// Secrets and generated files for NixOS and Home Manager, stored by sandboxed backends.
#[derive(Debug, Parser)]
#[command(
    name = "artifacts",
    version,
    after_help = "Exit status: 0 done, 1 something failed, 2 wrong usage, 3 work is left (something is absent, stale or blocked)."
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Lists the commands; each has a file.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the state of every instance
    #[command(visible_aliases = ["check", "list"])]
    Status(status::Options),
    /// Make what is absent
    Generate(generate::Options),
    /// Print one file to standard output, as it was stored
    Get(get::Options),
    /// Store one file from standard input
    Set(set::Options),
    /// Change one file in an editor, on a file system in RAM
    Edit(edit::Options),
    /// Encrypt anew what has other readers now
    Rekey(rekey::Options),
    /// Lay out what an installer brings to a new machine
    Export(export::Options),
    /// Write receipts for files that were added or modified outside artifacts
    Adopt(adopt::Options),
    /// Print a `.sops.yaml` that agrees with the declarations
    ///
    /// It belongs into the folder of `artifacts.root`.
    SopsConfig(sops_config::Options),
    /// On the target: make the artifacts that are made there
    Activate(activate::Options),
    /// Show what backends did
    Audit(audit::Options),
    /// Remove what no declaration owns
    #[command(visible_alias = "collect-garbage")]
    Prune(prune::Options),
    /// Show what depends on what
    Graph(graph::Options),
    /// Look at backends
    #[command(subcommand)]
    Backend(backend::Command),
    /// Print the JSON Schema of the spec
    Schema(schema::Options),
    /// Print a completion script for a shell
    Completions(completions::Options),
    /// Print the manual page
    Man(man::Options),
}

impl Command {
    /// Returns how a command reads standard input itself, if it does.
    pub fn standard_input(&self) -> Option<&'static str> {
        match self {
            Self::Set(options) => (!options.dry_run).then_some("set"),
            Self::Generate(options) => is_standard_input(options.answers.as_ref()).then_some("--answers -"),
            _ => None,
        }
    }
}

/// Whether a command changes what is stored.
pub fn stores(cli: &Cli) -> bool {
    use Command::{Adopt, Edit, Generate, Prune, Rekey, Set};
    matches!(cli.command, Generate(_) | Set(_) | Edit(_) | Rekey(_) | Prune(_) | Adopt(_))
}

pub fn run(cli: &Cli, output: &Output) -> Result<Exit, Failure> {
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
        Command::Completions(options) => options.run(Cli::command(), output),
        Command::Man(options) => options.run(Cli::command(), output),
    }
}
