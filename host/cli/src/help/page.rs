//! Pages of the manual, whatever they are written as.

use std::fmt::Write as _;

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction, Command};

use super::commands::{CommandText, text};
use super::topics::{TOPICS, Topic};

/// Holds a page of the manual.
pub struct Page {
    /// Name without the section, as `artifacts-get`.
    pub name: String,
    /// Section of the manual: 1, 5 or 7.
    pub section: u8,
    /// Headings, and what is below each.
    pub parts: Vec<(String, Vec<Block>)>,
}

/// A block of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// Sentences.
    Paragraph(String),
    /// Lines that stay as they are.
    Lines(Vec<String>),
    /// A term, and what is said of it.
    Term(String, String),
}

/// Begins the lines of a text that stay as they are.
const INDENT: &str = "    ";

/// Returns every page of the manual. `root` is not built, so that options of every command are those of `root` alone.
pub fn pages(root: &Command) -> Vec<Page> {
    let mut pages = vec![of_command(root, &[])];
    below(root, &mut Vec::new(), &mut pages);
    pages.extend(TOPICS.iter().filter_map(of_topic));
    pages
}

fn below<'a>(command: &'a Command, path: &mut Vec<&'a str>, pages: &mut Vec<Page>) {
    for command in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        path.push(command.get_name());
        pages.push(of_command(command, path));
        below(command, path, pages);
        path.pop();
    }
}

fn of_command(command: &Command, path: &[&str]) -> Page {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let name = [&["artifacts"], path].concat().join("-");
    let text = text(&path.join(" "));
    let long = command.get_long_about().map(ToString::to_string).unwrap_or_default();
    let sentences = long.strip_prefix(&about).unwrap_or_default().split("\n\n").map(str::trim);
    let described =
        sentences.filter(|text| !text.is_empty()).chain(text.iter().flat_map(|text| text.description.iter().copied()));
    let mut parts = vec![
        ("NAME", vec![Block::Paragraph(format!("{name} - {}", lower(&about)))]),
        ("SYNOPSIS", vec![Block::Lines(vec![usage(command, path)])]),
        (
            "DESCRIPTION",
            [vec![sentence(&about)], described.map(|text| Block::Paragraph(text.to_owned())).collect()].concat(),
        ),
        ("OPTIONS", options(command, path)),
    ];
    parts.extend(text.map(parts_of_text).unwrap_or_default());
    Page { name, section: 1, parts: parts.into_iter().map(|(heading, blocks)| (heading.to_owned(), blocks)).collect() }
}

fn parts_of_text(text: &'static CommandText) -> Vec<(&'static str, Vec<Block>)> {
    let examples = text.examples.iter().map(|(line, what)| Block::Term(format!("$ {line}"), sentence_of(what)));
    let see = |page: &str, what: &str| vec![Block::Paragraph(format!("{page} lists {what}."))];
    let exit = text.exit.split(", ").map(|status| {
        let (number, what) = status.split_once(' ').unwrap_or((status, ""));
        Block::Term(number.to_owned(), sentence_of(what))
    });
    vec![
        ("EXAMPLES", examples.collect()),
        ("FILES", see("artifacts-files(5)", "the files that `artifacts` reads and writes")),
        ("ENVIRONMENT", see("artifacts-environment(7)", "the variables that `artifacts` reads")),
        ("EXIT STATUS", exit.collect()),
        ("SEE ALSO", vec![Block::Paragraph(text.see_also.join(", "))]),
    ]
}

fn options(command: &Command, path: &[&str]) -> Vec<Block> {
    let mut blocks: Vec<Block> = arguments(command).map(|one| Block::Term(term(one), described(one))).collect();
    for below in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        let about = below.get_about().map(ToString::to_string).unwrap_or_default();
        blocks.push(Block::Term(below.get_name().to_owned(), about));
    }
    if !path.is_empty() {
        blocks.push(Block::Paragraph("The options of every command are described in artifacts(1).".to_owned()));
    }
    blocks
}

/// A page that is written as text: a line with name and section, one with what it is about, and parts below headings in capitals.
/// What is indented stays as it is.
fn of_topic(topic: &Topic) -> Option<Page> {
    let section = topic.section?;
    let (about, body) = topic.text.split_once('\n').unwrap_or((topic.text, ""));
    let name = format!("artifacts-{}", topic.name);
    let mut parts = vec![("NAME".to_owned(), vec![Block::Paragraph(format!("{name} - {}", lower(about)))])];
    for (heading, text) in sections(body) {
        parts.push((heading.to_owned(), blocks(&text)));
    }
    Some(Page { name, section, parts })
}

/// The parts of a text, each with its heading.
fn sections(body: &str) -> Vec<(&str, String)> {
    let mut sections: Vec<(&str, String)> = Vec::new();
    for line in body.lines() {
        let is_heading =
            !line.is_empty() && line.chars().all(|c| c.is_ascii_uppercase() || c == ' ') && !line.starts_with(' ');
        if is_heading {
            sections.push((line, String::new()));
        } else if let Some((_, text)) = sections.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    sections
}

fn blocks(text: &str) -> Vec<Block> {
    let paragraphs = text.split("\n\n").filter(|block| !block.trim().is_empty());
    let block = |block: &str| {
        let lines: Vec<&str> = block.lines().filter(|line| !line.is_empty()).collect();
        if lines.iter().all(|line| line.starts_with(INDENT)) {
            Block::Lines(lines.iter().map(|line| line.get(INDENT.len()..).unwrap_or_default().to_owned()).collect())
        } else {
            Block::Paragraph(lines.join(" "))
        }
    };
    paragraphs.map(block).collect()
}

/// The arguments and options of a command alone, without those that are hidden or that clap adds.
pub fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    let positionals = command.get_positionals();
    let options = command.get_arguments().filter(|one| !one.is_positional());
    positionals.chain(options).filter(|one| !one.is_hide_set())
}

/// How an argument is written: `-i, --identity FILE`, `[SELECTOR]...`.
pub fn term(argument: &Arg) -> String {
    let values: Vec<String> = argument.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect();
    let values = values.join(" ");
    if argument.is_positional() {
        return values;
    }
    let names = [argument.get_short().map(|c| format!("-{c}")), argument.get_long().map(|name| format!("--{name}"))];
    let names = names.into_iter().flatten().collect::<Vec<_>>().join(", ");
    if !argument.get_action().takes_values() {
        names
    } else if argument.is_require_equals_set() {
        format!("{names}[={values}]")
    } else {
        format!("{names} {values}")
    }
}

/// What an argument does, with its default and what it may be.
pub fn described(argument: &Arg) -> String {
    let mut text = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let possible = argument.get_possible_values();
    if !possible.is_empty() && argument.get_action().takes_values() {
        let names: Vec<&str> = possible.iter().filter(|one| !one.is_hide_set()).map(PossibleValue::get_name).collect();
        let _ = write!(text, " ({})", names.join(", "));
    }
    let defaults: Vec<_> = argument.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    if !defaults.is_empty() && argument.get_action().takes_values() {
        let _ = write!(text, " [default: {}]", defaults.join(" "));
    }
    text
}

/// How a command is used.
pub fn usage(command: &Command, path: &[&str]) -> String {
    let mut words = [&["artifacts"], path].concat().join(" ");
    if command.has_subcommands() {
        words.push_str(" COMMAND");
    }
    let (last, others): (Vec<_>, Vec<_>) =
        arguments(command).filter(|one| one.is_positional()).partition(|one| one.is_last_set());
    for argument in others {
        let name = term(argument);
        let name = if argument.is_required_set() { name } else { format!("[{name}]") };
        let many = matches!(argument.get_action(), ArgAction::Append);
        let _ = write!(words, " {name}{}", if many { "..." } else { "" });
    }
    words.push_str(" [OPTIONS]");
    for argument in last {
        let _ = write!(words, " -- {}...", term(argument));
    }
    words
}

fn sentence(about: &str) -> Block {
    Block::Paragraph(sentence_of(about))
}

/// With a capital letter and a period.
fn sentence_of(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str().trim_end_matches('.'))
}

fn lower(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_lowercase().to_string()).unwrap_or_default();
    first + chars.as_str()
}
