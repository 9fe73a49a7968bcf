//! Help and manual pages: one text for both.
//!
//! Options are described where they are declared. What else a page has is in `commands.rs` for commands and in `pages` for topics.

mod commands;
mod page;
mod plain;
mod roff;
mod screen;
#[cfg(test)]
mod tests;
mod topics;

use artifacts_plan::suggestion;
use artifacts_report::Failure;
use clap::Command;

pub use page::{Page, pages, usage};
pub use plain::plain;
pub use roff::roff;
pub use screen::install;

use crate::console::Console;

/// Returns the help of a topic or a command, by its words; that of the program without any.
pub fn about(root: &Command, words: &[String], console: &Console) -> Result<String, Failure> {
    let topic = match words {
        [one] if one == "global" => Some(screen::global(root, console)),
        [one] => topics::topic(one).map(str::to_owned),
        _ => None,
    };
    topic.or_else(|| screen::render(root, words, console)).ok_or_else(|| {
        let named = words.join(" ");
        let known = topics::TOPICS.iter().map(|topic| topic.name);
        let known = known.chain(root.get_subcommands().map(Command::get_name)).chain(["global"]);
        let hint = suggestion(named.as_str(), known).map(|meant| format!("did you mean `artifacts help {meant}`?"));
        let hint = hint.unwrap_or_else(|| "`artifacts help` lists commands and topics".to_owned());
        Failure::new(named, "neither a command nor a topic").hint(Some(hint))
    })
}
