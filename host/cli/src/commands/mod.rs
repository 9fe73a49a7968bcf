//! One file a command, each thin.

pub mod activate;
pub mod adopt;
pub mod audit;
pub mod backend;
pub mod complete;
pub mod completions;
pub mod doctor;
pub mod edit;
pub mod generate;
pub mod get;
pub mod graph;
pub mod help;
pub mod import;
pub mod keygen;
pub mod man;
pub mod provision;
pub mod prune;
pub mod rekey;
pub mod rename;
pub mod restore;
pub mod rotate;
pub mod run;
pub mod schema;
pub mod set;
pub mod sops_config;
pub mod status;

use artifacts_report::Failure;
use clap::{CommandFactory as _, Parser, Subcommand};

use crate::console::Console;
use crate::exit::Exit;
use crate::global::Global;
use crate::selectors::Selectors;
use crate::standard_input::is_standard_input;

/// Declare, generate and store secrets for NixOS and Home Manager
#[derive(Debug, Parser)]
#[command(name = "artifacts", version, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Lists the commands; each has a file.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what needs work
    #[command(visible_alias = "check")]
    Status(status::Options),
    /// Show the state of every instance, as `status --all` does
    #[command(hide = true)]
    List(Selectors),
    /// Generate artifacts that are not stored yet
    Generate(generate::Options),
    /// Print one file, decrypted
    Get(get::Options),
    /// Run a command with decrypted files; the plaintext stays in RAM
    ///
    /// The files are at `$ARTIFACTS_DIR/INSTANCE/FILE` while the command runs, for example
    /// `$ARTIFACTS_DIR/web1/attic/token`. The exit status is that of the command.
    Run(run::Options),
    /// Set one file from a prompt or standard input
    Set(set::Options),
    /// Edit one file in $EDITOR; the plaintext stays in RAM
    Edit(edit::Options),
    /// Store the same values for new recipients or backends
    #[command(alias = "migrate")]
    Rekey(rekey::Options),
    /// Store values under another name
    Rename(rename::Options),
    /// Take over secrets of agenix, sops and other tools
    ///
    /// What is not declared yet is printed as a module. Once it is imported, run the command again: it takes the values.
    Import(import::Options),
    /// Write the files that an installer copies to a new machine
    #[command(alias = "export")]
    Provision(provision::Options),
    /// Accept files that were added or modified outside artifacts
    Adopt(adopt::Options),
    /// Print a `.sops.yaml` that matches the declarations
    ///
    /// Save it in the directory that `artifacts.root` names.
    SopsConfig(sops_config::Options),
    /// Generate on-target artifacts (run on the target)
    Activate(activate::Options),
    /// Show what backends accessed
    Audit(audit::Options),
    /// Generate a key for yourself, and print the line that declares it
    Keygen(keygen::Options),
    /// Move entries that are no longer declared to the trash
    #[command(visible_alias = "collect-garbage")]
    Prune(prune::Options),
    /// Bring values back from the trash, or list it
    Restore(restore::Options),
    /// Replace values by new ones
    Rotate(rotate::Options),
    /// Show the dependency graph
    Graph(graph::Options),
    /// List, inspect and annotate backends
    #[command(subcommand)]
    Backend(backend::Command),
    /// Check the setup of this machine and the stored files
    Doctor(doctor::Options),
    /// Print the JSON Schema of a format
    Schema(schema::Options),
    /// Print a shell completion script
    Completions(completions::Options),
    /// Print completions of a command line, for the scripts of `completions`
    #[command(hide = true)]
    Complete(complete::Options),
    /// Print a page of the manual
    Man(man::Options),
    /// Show the help of a command or topic
    Help(help::Options),
}

impl Command {
    /// Returns how a command reads standard input itself, if it does.
    pub fn standard_input(&self) -> Option<&'static str> {
        match self {
            Self::Set(options) => (!options.dry_run).then_some("set"),
            Self::Generate(generate::Options { generating, .. }) | Self::Rotate(rotate::Options { generating, .. }) => {
                is_standard_input(generating.answers.as_ref()).then_some("--answers -")
            }
            _ => None,
        }
    }
}

/// Whether a command changes what is stored.
pub fn stores(cli: &Cli) -> bool {
    use Command::{Adopt, Edit, Generate, Import, Prune, Rekey, Rename, Restore, Rotate, Set};
    matches!(
        cli.command,
        Generate(_)
            | Import(_)
            | Set(_)
            | Edit(_)
            | Rekey(_)
            | Rename(_)
            | Prune(_)
            | Restore(_)
            | Rotate(_)
            | Adopt(_)
    )
}

pub fn run(cli: &Cli, console: &Console) -> Result<Exit, Failure> {
    match &cli.command {
        Command::Status(options) => options.run(&cli.global, console),
        Command::List(selectors) => status::Options::of_all(selectors.clone()).run(&cli.global, console),
        Command::Generate(options) => options.run(&cli.global, console),
        Command::Get(options) => options.run(&cli.global, console),
        Command::Run(options) => options.run(&cli.global, console),
        Command::Set(options) => options.run(&cli.global, console),
        Command::Edit(options) => options.run(&cli.global, console),
        Command::Rekey(options) => options.run(&cli.global, console),
        Command::Rename(options) => options.run(&cli.global, console),
        Command::Import(options) => options.run(&cli.global, console),
        Command::Provision(options) => options.run(&cli.global, console),
        Command::Prune(options) => options.run(&cli.global, console),
        Command::Restore(options) => options.run(&cli.global, console),
        Command::Rotate(options) => options.run(&cli.global, console),
        Command::Graph(options) => options.run(&cli.global, console),
        Command::Adopt(options) => options.run(&cli.global, console),
        Command::SopsConfig(options) => options.run(&cli.global, console),
        Command::Activate(options) => options.run(&cli.global, console),
        Command::Audit(options) => options.run(&cli.global, console),
        Command::Keygen(options) => options.run(&cli.global, console),
        Command::Backend(command) => command.run(&cli.global, console),
        Command::Doctor(options) => options.run(&cli.global, console),
        Command::Schema(options) => options.run(console),
        Command::Complete(options) => options.run(Cli::command(), console),
        Command::Completions(options) => options.run(Cli::command(), console),
        Command::Man(options) => options.run(&Cli::command(), console),
        Command::Help(options) => options.run(&Cli::command(), console),
    }
}
