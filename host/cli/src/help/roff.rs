//! Pages as roff, which `man` reads.

use roff::{Inline, Roff, bold, roman};

use super::page::{Block, Page};

/// Returns a page as roff.
pub fn roff(page: &Page) -> String {
    let mut out = Roff::new();
    let (title, section) = (page.name.to_uppercase(), page.section.to_string());
    let source = format!("artifacts {}", env!("CARGO_PKG_VERSION"));
    // No date: an empty argument has to be quoted, or the next one takes its place.
    out.control("TH", [title.as_str(), section.as_str(), "\"\"", source.as_str(), "artifacts manual"]);
    // No word is hyphenated and no blank is added: names and commands are copied from a page.
    out.control("nh", []).control("ad", ["l"]);
    for (heading, blocks) in &page.parts {
        out.control("SH", [heading.as_str()]);
        for (at, block) in blocks.iter().enumerate() {
            write(&mut out, block, at == 0);
        }
    }
    out.render()
}

fn write(out: &mut Roff, block: &Block, is_first: bool) {
    match block {
        Block::Paragraph(text) => {
            if !is_first {
                out.control("PP", []);
            }
            out.text(inline(text));
        }
        Block::Lines(lines) => {
            if !is_first {
                out.control("PP", []);
            }
            out.control("nf", []);
            for line in lines {
                out.text([roman(line)]);
            }
            out.control("fi", []);
        }
        Block::Term(term, text) => {
            out.control("TP", []).text([bold(term)]);
            out.text(inline(text));
        }
    }
}

/// What is between backticks is bold.
fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    parts
        .filter(|(_, part)| !part.is_empty())
        .map(|(at, part)| if at % 2 == 1 { bold(part) } else { roman(part) })
        .collect()
}
