//! The program `artifacts`: arguments in, one command run, an exit status out.

mod activation;
mod answers;
mod audit_answer;
mod audit_log;
mod audit_text;
mod bundled;
mod checkout_dirs;
mod checkout_files;
mod clones;
mod commands;
mod completion;
mod console;
mod context;
mod creation_rules;
mod declarations;
mod doctor;
mod draft;
mod editing;
mod editor;
mod editor_copies;
mod environment;
mod evaluator;
mod exit;
mod explained_backend;
mod generated_key;
mod generating;
mod given_files;
mod given_value;
mod global;
mod grants;
mod help;
mod identities;
mod import_keys;
mod import_page;
mod import_search;
mod import_values;
mod inspected_component;
mod instance_file;
mod invocation;
mod key_command;
mod key_file;
mod limited_input;
mod manual;
mod messages;
mod operator;
mod other_verbs;
mod person;
mod progress;
mod provision_tree;
mod provisioned_files;
mod recipient_question;
mod registered;
mod sandboxes;
mod selectors;
mod signals;
mod sops_file;
mod standard_input;
mod stored_options;
mod terminal;
mod usage;
mod width;
mod writing;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Context as _;
use artifacts_report::Failure;
use artifacts_text::Explain as _;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, FromArgMatches as _};

use commands::Cli;
use console::Console;
use exit::Exit;
use global::Global;

fn main() -> ExitCode {
    // Started again as the process that a component runs in, this program is nothing else.
    artifacts_worker::worker_main(artifacts_bundled::code_of);
    let cli = match arguments() {
        Ok(cli) => cli,
        Err(status) => return status.into(),
    };
    let Global { json, verbose, show_output, color, .. } = cli.global;
    console::choose_color(color);
    let console = Console::new(json, verbose, show_output, commands::stores(&cli));
    let status = run(&cli, &console).unwrap_or_else(|error| console.failure(failure(error)));
    console.end(status).into()
}

/// Parses the arguments. Ends the program with its help, or with what is wrong with them.
fn arguments() -> Result<Cli, Exit> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let console = Console::new(false, 0, false, false);
    let wrong = |failure: Failure| {
        console.failures(&[failure]);
        Exit::USAGE
    };
    let mut command = Cli::command().term_width(width::of_help());
    let matches = match command.try_get_matches_from_mut(&typed) {
        Ok(matches) => matches,
        Err(error) => {
            if let Some(failure) = usage::failure(&error, &command, &typed) {
                return Err(wrong(failure));
            }
            if error.kind() == ErrorKind::DisplayVersion {
                error.exit();
            }
            // Help is written for who asks for it alone.
            let helpful = help::install(Cli::command().term_width(width::of_help()), &console);
            helpful.try_get_matches_from(&typed).err().unwrap_or(error).exit()
        }
    };
    let mut cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    standard_input::check(&cli.global, cli.command.standard_input()).map_err(wrong)?;
    cli.global.invocation = invocation::Invocation::new(&command, &matches, &typed);
    Ok(cli)
}

/// Runs the command, after what has to be before anything secret is read.
fn run(cli: &Cli, console: &Console) -> anyhow::Result<Exit> {
    signals::watch().context("cannot install signal handlers, so an interrupted run might leave plaintext behind")?;
    if let Err(error) = artifacts_ram::no_core_dumps() {
        console.warning(&error.to_string(), error.hint().as_deref());
    }
    Ok(commands::run(cli, console)?)
}

/// Returns the failure that ended the run. Any other error is about the run as a whole.
fn failure(error: anyhow::Error) -> Failure {
    error.downcast().unwrap_or_else(|error| Failure::new("", format!("{error:#}")))
}
