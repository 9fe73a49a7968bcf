//! Pages as text, which a person reads.

use std::fmt::Write as _;

use super::page::{Block, Page};
use crate::console::Console;

/// Columns before what is below a heading, and before what is said of a term.
const BELOW: usize = 4;
const BESIDE: usize = 8;

/// Returns a page as text.
pub fn plain(page: &Page, console: &Console) -> String {
    let mut text = format!("{}({})\n", page.name, page.section);
    for (heading, blocks) in &page.parts {
        let _ = write!(text, "\n{heading}\n");
        for (at, block) in blocks.iter().enumerate() {
            if at > 0 {
                text.push('\n');
            }
            text.push_str(&written(block, console));
        }
    }
    text
}

fn written(block: &Block, console: &Console) -> String {
    let wrapped = |columns: usize, text: &str| console.field("", columns - 1, text);
    match block {
        Block::Paragraph(text) => wrapped(BELOW, text),
        Block::Lines(lines) => {
            let indent = " ".repeat(BELOW);
            lines.iter().flat_map(|line| [indent.as_str(), line.as_str(), "\n"]).collect()
        }
        Block::Term(term, text) => format!("{:BELOW$}{term}\n{}", "", wrapped(BESIDE, text)),
    }
}
