//! Every option has text, every example runs, every reference leads somewhere.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use clap::{Command, CommandFactory as _};

use super::commands::{GROUPS, TEXTS};
use super::page::{Block, Page, arguments, pages};
use super::topics::TOPICS;
use super::{about, plain, roff};
use crate::commands::Cli;
use crate::completion::words;
use crate::console::Console;

/// Every command that is shown, by its words.
fn commands() -> Vec<(String, Command)> {
    fn below(command: &Command, path: &str, all: &mut Vec<(String, Command)>) {
        for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
            let path = format!("{path} {}", one.get_name()).trim_start().to_owned();
            below(one, &path, all);
            all.push((path, one.clone()));
        }
    }
    let root = Cli::command();
    let mut all = Vec::new();
    below(&root, "", &mut all);
    all.push((String::new(), root));
    all
}

fn text(page: &Page) -> String {
    let block = |block: &Block| match block {
        Block::Paragraph(text) => text.clone(),
        Block::Lines(lines) => lines.join("\n"),
        Block::Term(term, text) => format!("{term}\n{text}"),
    };
    page.parts.iter().flat_map(|(_, blocks)| blocks.iter().map(block)).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_command_and_option_has_text() {
    let commands = commands();
    for (name, command) in &commands {
        assert!(command.get_about().is_some(), "{name}");
        assert!(TEXTS.iter().any(|text| text.command == name), "`{name}` has no text in help/commands.rs");
        for argument in arguments(command) {
            assert!(
                argument.get_help().is_some_and(|help| !help.to_string().is_empty()),
                "{name} {}",
                argument.get_id()
            );
        }
    }
    for text in TEXTS {
        assert!(commands.iter().any(|(name, _)| name == text.command), "{}: there is no such command", text.command);
        assert!(!text.description.is_empty() && !text.examples.is_empty(), "{}", text.command);
    }
}

#[test]
fn every_example_is_understood() {
    let lines = TEXTS.iter().flat_map(|text| text.examples.iter().map(|(line, _)| (*line).to_owned()));
    let of_pages = pages(&Cli::command()).into_iter().filter(|page| page.section != 1).map(|page| text(&page));
    let of_pages = of_pages.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
    let shown = of_pages.filter(|line| line.starts_with("artifacts ") && !line.contains("COMMAND"));
    let mut seen = 0;
    for line in lines.chain(shown) {
        // What the shell does with the command is not the command's.
        let command = line.split([';', '|']).next().unwrap().split(" > ").next().unwrap().split(" < ").next().unwrap();
        let words = words(command);
        let parsed = Cli::command().try_get_matches_from(&words);
        if let Err(error) = parsed {
            let is_help = words.len() == 1 || error.kind() == clap::error::ErrorKind::DisplayHelp;
            assert!(is_help, "{line}: {error}");
        }
        seen += 1;
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn every_page_has_every_part_and_refers_to_pages_that_exist() {
    let pages = pages(&Cli::command());
    let names: BTreeSet<String> = pages.iter().map(|page| format!("{}({})", page.name, page.section)).collect();
    let mut seen = 0;
    for page in &pages {
        let headings: Vec<&str> = page.parts.iter().map(|(heading, _)| heading.as_str()).collect();
        for part in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "EXAMPLES",
            "FILES",
            "ENVIRONMENT",
            "EXIT STATUS",
            "SEE ALSO",
        ] {
            assert!(headings.contains(&part), "{} has no {part}", page.name);
        }
        assert!(page.parts.iter().all(|(_, blocks)| !blocks.is_empty()), "{} has an empty part", page.name);
        for word in text(page).split_whitespace() {
            let word = word.trim_end_matches([',', '.', ';', ':']);
            if word.starts_with("artifacts") && word.ends_with(')') {
                assert!(names.contains(word), "{} refers to {word}, which does not exist", page.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 60, "{seen}");
    for page in ["artifacts(1)", "artifacts-backend-list(1)", "artifacts-selectors(7)", "artifacts-files(5)"] {
        assert!(names.contains(page), "{page}");
    }
}

#[test]
fn the_help_fits_on_a_screen() {
    let console = Console::new(false, 0, false, false);
    let root = Cli::command();
    let help = about(&root, &[], &console).unwrap();
    assert!(help.lines().count() <= 40, "{} lines\n{help}", help.lines().count());
    let shown: Vec<(String, Command)> = commands();
    let one: Vec<&str> =
        shown.iter().map(|(name, _)| name.as_str()).filter(|name| !name.is_empty() && !name.contains(' ')).collect();
    for name in one {
        assert!(help.contains(name), "`{name}` is not in the help");
    }
    for (name, _) in shown.iter().filter(|(name, _)| !name.is_empty()) {
        let path: Vec<String> = name.split_whitespace().map(str::to_owned).collect();
        let help = about(&root, &path, &console).unwrap();
        assert!(!help.contains("--nix-arg") && !help.contains("--help "), "{name}: {help}");
        // A command stands on one line, however long.
        let is_command = |line: &str| line.starts_with("  artifacts ") && !line.trim().contains("  ");
        let most = |line: &str| if is_command(line) { 100 } else { 80 };
        help.lines().for_each(|line| assert!(line.chars().count() <= most(line), "{name}: {line}"));
    }
    assert!(GROUPS.iter().any(|(_, names)| names.contains(&"provision")));
}

#[test]
fn topics_are_answered_and_others_get_a_suggestion() {
    let console = Console::new(false, 0, false, false);
    let root = Cli::command();
    let of = |words: &[&str]| about(&root, &words.iter().map(ToString::to_string).collect::<Vec<_>>(), &console);
    assert!(of(&["global"]).unwrap().contains("--identity"));
    for topic in TOPICS {
        let text = of(&[topic.name]).unwrap();
        // In the manual, lines that stay as they are are indented by three columns more.
        let most = |line: &str| if line.starts_with(' ') { 77 } else { 80 };
        text.lines().for_each(|line| assert!(line.chars().count() <= most(line), "{}: {line}", topic.name));
    }
    assert!(of(&["backend", "list"]).unwrap().contains("artifacts backend list"));
    assert!(of(&["selector"]).unwrap_err().hint.unwrap().contains("`artifacts help selectors`"));
    assert!(of(&["complete"]).is_err(), "what is hidden has no help");
}

#[test]
fn pages_are_text_with_everything_below_its_heading() {
    let console = Console::new(false, 0, false, false);
    for page in pages(&Cli::command()) {
        let shown = plain(&page, &console);
        for word in text(&page).split_whitespace() {
            assert!(shown.contains(word), "{}: {word}", page.name);
        }
        let mut rest = shown.lines().filter(|line| !line.is_empty());
        assert_eq!(rest.next(), Some(format!("{}({})", page.name, page.section).as_str()));
        let is_heading = |line: &str| page.parts.iter().any(|(heading, _)| heading == line);
        rest.for_each(|line| assert!(line.starts_with("    ") || is_heading(line), "{line}"));
    }
}

#[test]
fn pages_are_roff_that_hides_nothing() {
    let pages = pages(&Cli::command());
    let files = pages.iter().find(|page| page.name == "artifacts-files").unwrap();
    let roff = roff(files);
    assert!(roff.contains(".TH ARTIFACTS-FILES 5 \"\" \"artifacts ") && roff.contains(".SH \"EXIT STATUS\""), "{roff}");
    // A line of roff that begins with a period is a command.
    assert!(!roff.lines().any(|line| line.starts_with(".artifacts") || line.starts_with(".ssh")), "{roff}");
}
