//! The program `artifacts`: arguments in, one command run, an exit status out.

mod answers;
mod audit_log;
mod audit_text;
mod bundled;
mod clones;
mod commands;
mod context;
mod creation_rules;
mod declarations;
mod draft;
mod editing;
mod editor;
mod environment;
mod evaluator;
mod exit;
mod export_tree;
mod exported_files;
mod given_value;
mod global;
mod grants;
mod identities;
mod instance_file;
mod invocation;
mod limited_input;
mod operator;
mod output;
mod person;
mod signals;
mod standard_input;
mod terminal;
mod words;
mod writing;

use std::process::ExitCode;

use artifacts_text::Explain;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

fn main() -> ExitCode {
    // Started again as the process that a component runs in, this program is nothing else.
    artifacts_worker::worker_main();
    let cli = arguments();
    let output = output::Output::new(cli.global.json, cli.global.verbose, cli.global.show_output);
    let ended = begin(&output).and_then(|()| commands::run(&cli, &output));
    let status = ended.unwrap_or_else(|failure| output.failure(failure));
    output.end(status, commands::stores(&cli)).into()
}

/// What the person wants, or the end of the program with help or with what is wrong, as wide as everything else is said.
fn arguments() -> commands::Cli {
    let mut command = commands::Cli::command().term_width(output::width());
    let matches = command.get_matches_mut();
    let mut cli = commands::Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if let Err(why) = standard_input::check(&cli.global, cli.command.standard_input()) {
        command.error(ErrorKind::ArgumentConflict, why).exit();
    }
    let typed: Vec<_> = std::env::args_os().collect();
    cli.global.invocation = invocation::Invocation::new(&command, &matches, &typed);
    cli
}

/// What has to be before anything secret is read, whatever the command.
fn begin(output: &output::Output) -> Result<(), artifacts_report::Failure> {
    signals::watch()?;
    if let Err(error) = artifacts_ram::no_core_dumps() {
        output.warning(&error.to_string(), error.hint().as_deref());
    }
    Ok(())
}
