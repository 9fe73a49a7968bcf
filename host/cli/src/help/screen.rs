//! Help at the terminal.

use std::fmt::Write as _;

use clap::Command;

use super::commands::{GROUPS, text};
use super::page::{arguments, described, term, usage};
use crate::console::Console;
use crate::width::of_help;

/// Columns of the names of options.
const OPTION: usize = 21;
/// The most columns of an example with text beside it, and the least that is left for that.
const EXAMPLE: usize = 45;
const BESIDE: usize = 35;
/// Columns of the names of commands.
const COMMAND: usize = 14;

/// Columns of `Exit status:`.
const EXIT: usize = 12;

/// Gives every command its help: its own options first, and none of those that all have.
pub fn install(root: Command, console: &Console) -> Command {
    fn below(command: Command, path: &[String], console: &Console) -> Command {
        let help = if path.is_empty() { of_root(&command, console) } else { of_command(&command, path, console) };
        command.override_help(help).mut_subcommands(|one| {
            let path = [path, &[one.get_name().to_owned()]].concat();
            below(one, &path, console)
        })
    }
    below(root, &[], console)
}

/// Returns the help of a command by its words; of the program itself without any.
pub fn render(root: &Command, path: &[String], console: &Console) -> Option<String> {
    let mut command = root;
    for word in path {
        command = command.find_subcommand(word).filter(|one| !one.is_hide_set())?;
    }
    Some(if path.is_empty() { of_root(root, console) } else { of_command(command, path, console) })
}

/// Returns the options of every command, as a topic.
pub fn global(root: &Command, console: &Console) -> String {
    format!("Options of every command\n{}", listed(root, console))
}

fn of_root(root: &Command, console: &Console) -> String {
    let about = |name: &str| {
        let command = root.get_subcommands().find(|one| one.get_name() == name && !one.is_hide_set())?;
        Some(console.field(&format!("  {name}"), COMMAND, &command.get_about()?.to_string()))
    };
    let mut help = format!("{}\n\nUsage: artifacts COMMAND [OPTIONS]\n", root.get_about().cloned().unwrap_or_default());
    for (title, names) in GROUPS {
        let lines: String = names.iter().filter_map(|name| about(name)).collect();
        let _ = write!(help, "\n{title}\n{lines}");
    }
    let grouped = |name: &str| name == "help" || GROUPS.iter().any(|(_, names)| names.contains(&name));
    let others = root.get_subcommands().filter(|one| !one.is_hide_set() && !grouped(one.get_name()));
    let others: Vec<&str> = others.map(Command::get_name).collect();
    let _ = write!(help, "\nOther: {}\n\n", others.join(", "));
    help + "artifacts COMMAND --help    options and examples\n\
            artifacts help TOPIC        global, selectors, files, environment, backends, exit\n"
}

fn of_command(command: &Command, path: &[String], console: &Console) -> String {
    let words: Vec<&str> = path.iter().map(String::as_str).collect();
    let mut help =
        format!("{}\n\nUsage: {}\n", command.get_about().cloned().unwrap_or_default(), usage(command, &words));
    let below: String = command
        .get_subcommands()
        .filter(|one| !one.is_hide_set())
        .map(|one| {
            console.field(
                &format!("  {}", one.get_name()),
                OPTION,
                &one.get_about().cloned().unwrap_or_default().to_string(),
            )
        })
        .collect();
    if !below.is_empty() {
        let _ = write!(help, "\nCommands\n{below}");
    }
    help += &listed(command, console);
    let Some(text) = text(&words.join(" ")) else { return help };
    help += &examples(text.examples);
    let _ = write!(help, "\n{}", console.field("Exit status:", EXIT, text.exit));
    let (global, manual) =
        ("Global options: artifacts help global", format!("Manual: man artifacts-{}", words.join("-")));
    let is_wide = global.len() + manual.len() + 5 <= of_help();
    help + &format!("{global}{}{manual}\n", if is_wide { "     " } else { "\n" })
}

/// Command lines, with what each is for beside it, or below it if either is long.
fn examples(examples: &[(&str, &str)]) -> String {
    let lengths = || examples.iter().map(|(line, _)| line.len());
    let most = EXAMPLE.min(of_help().saturating_sub(BESIDE));
    let columns = lengths().filter(|length| *length <= most).max().unwrap_or_default();
    let line = |(line, what): &(&str, &str)| {
        if line.len() <= columns && columns + what.len() + 4 <= of_help() {
            format!("  {line:<columns$}  {what}\n")
        } else {
            format!("  {line}\n      {what}\n")
        }
    };
    format!("\nExamples\n{}", examples.iter().map(line).collect::<String>())
}

/// Arguments, and options below them.
fn listed(command: &Command, console: &Console) -> String {
    let line = |argument| {
        let (name, text) = (format!("  {}", term(argument)), described(argument));
        if name.len() <= OPTION {
            return console.field(&name, OPTION, &text);
        }
        format!("{name}\n{}", console.field("", OPTION, &text))
    };
    let (arguments, options): (Vec<_>, Vec<_>) = arguments(command).partition(|one| one.is_positional());
    let mut text = String::new();
    if !arguments.is_empty() {
        text += "\n";
        text.extend(arguments.into_iter().map(line));
    }
    if !options.is_empty() {
        text += "\nOptions\n";
        text.extend(options.into_iter().map(line));
    }
    text
}
