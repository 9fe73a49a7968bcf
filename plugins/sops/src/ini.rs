//! INI as sops has it: what comes before the first section is in `DEFAULT`, and its metadata are the section `sops`. Only the layout that
//! sops writes is read.

use zeroize::Zeroizing;

use crate::error::FormatError;
use crate::flat;
use crate::form::METADATA;
use crate::node::SopsNode;
use crate::text_document::TextNodes;

/// Name of the section that needs no header.
const DEFAULT: &str = "DEFAULT";

/// What can stand between a key and its value.
const DELIMITERS: [char; 2] = ['=', ':'];

type Entries = Vec<(String, SopsNode)>;

/// Reads an encrypted file.
pub(crate) fn read(text: &str) -> Result<TextNodes, FormatError> {
    let mut sections: Vec<(String, Entries)> = vec![(DEFAULT.to_owned(), Entries::new())];
    let mut comment = String::new();
    for (index, line) in text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty()) {
        let fault = |why| FormatError::Line { line: index + 1, why };
        if line.starts_with(['#', ';']) {
            comment.extend([line, "\n"]);
        } else if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| fault("its section has no end, or more behind it"))?;
            sections.push((name.to_owned(), taken(&mut comment).into_iter().collect()));
        } else if let Some((_, entries)) = sections.last_mut() {
            let (key, value) = pair(line).map_err(fault)?;
            if entries.iter().any(|(other, node)| *other == key && !matches!(node, SopsNode::Comment(_))) {
                return Err(FormatError::Twice { key });
            }
            entries.push((key, SopsNode::Text(value)));
            entries.extend(taken(&mut comment));
        }
    }
    let metadata = sections.iter().position(|(name, _)| name == METADATA).ok_or(FormatError::NoMetadata)?;
    let (_, metadata) = sections.remove(metadata);
    let fields: Vec<(String, String)> = metadata
        .into_iter()
        .filter_map(|(key, node)| if let SopsNode::Text(text) = node { Some((key, text)) } else { None })
        .collect();
    let entries = sections.into_iter().map(|(name, entries)| (name, SopsNode::Map(entries))).collect();
    Ok(TextNodes { entries, metadata: flat::unflattened(&fields)? })
}

/// Returns the lines of a comment as one, as sops has it: without the first mark.
fn taken(comment: &mut String) -> Option<(String, SopsNode)> {
    let text = std::mem::take(comment);
    let text = text.trim();
    let mark = text.chars().next()?;
    Some((String::new(), SopsNode::Comment(text.trim_start_matches([mark, ' ']).to_owned())))
}

/// Returns a key and its value. A value in quotes is one that is not encrypted.
fn pair(line: &str) -> Result<(String, String), &'static str> {
    let quote = [r#"""""#, "`", "\""].into_iter().find(|quote| line.starts_with(quote));
    let (key, rest) = match quote {
        Some(quote) => line[quote.len()..].split_once(quote).ok_or("its key has no end")?,
        None => line.split_at(line.find(DELIMITERS).ok_or("it has no `=`")?),
    };
    let value = rest.trim_start().strip_prefix(DELIMITERS).ok_or("it has no `=`")?.trim();
    if value.starts_with(['"', '`', '\'']) || value.contains(['#', ';']) || value.ends_with('\\') {
        return Err("its value is in quotes, continued or with a comment");
    }
    Ok((key.trim().to_owned(), value.to_owned()))
}

/// Writes decrypted sections as sops does.
pub(crate) fn write(sections: &[(String, SopsNode)], opened: &[Zeroizing<Vec<u8>>], out: &mut Vec<u8>) {
    let mut rest = opened;
    for (index, (name, node)) in sections.iter().enumerate() {
        let SopsNode::Map(entries) = node else { continue };
        let (own, after) = rest.split_at(entries.len().min(rest.len()));
        rest = after;
        let mut lines: &[_] =
            &entries.iter().zip(own).map(|((key, node), plain)| (key, node, plain)).collect::<Vec<_>>();
        if let [(_, SopsNode::Comment(_), plain), others @ ..] = lines {
            comment(plain, out);
            lines = others;
        }
        if index > 0 {
            out.extend_from_slice(format!("[{name}]\n").as_bytes());
        } else if lines.is_empty() {
            continue;
        }
        pairs(lines, out);
        if index + 1 < sections.len() {
            out.push(b'\n');
        }
    }
}

/// Writes keys, each behind its comment, which is after it in the tree.
fn pairs(lines: &[(&String, &SopsNode, &Zeroizing<Vec<u8>>)], out: &mut Vec<u8>) {
    let keys = lines.iter().filter(|(_, node, _)| !matches!(node, SopsNode::Comment(_)));
    let width = keys.map(|(key, ..)| quoted_key(key).len()).max().unwrap_or_default();
    for (index, (key, node, plain)) in lines.iter().enumerate() {
        if let SopsNode::Comment(_) = node {
            continue;
        }
        if let Some((_, SopsNode::Comment(_), plain)) = lines.get(index + 1) {
            comment(plain, out);
        }
        let key = quoted_key(key);
        out.extend_from_slice(key.as_bytes());
        out.extend(std::iter::repeat_n(b' ', width - key.len()));
        let quote = quote(plain);
        for part in [b" = ", quote, plain, quote, b"\n"] {
            out.extend_from_slice(part);
        }
    }
}

fn quoted_key(key: &str) -> String {
    if key.contains(['"', '=', ':']) {
        format!("`{key}`")
    } else if key.contains('`') {
        format!(r#""""{key}""""#)
    } else {
        key.to_owned()
    }
}

/// Returns what is before and behind a value.
fn quote(value: &[u8]) -> &'static [u8] {
    let has = |bytes: &[u8]| value.iter().any(|byte| bytes.contains(byte));
    if has(b"\n`") {
        br#"""""#
    } else if has(b"#;") {
        b"`"
    } else if str::from_utf8(value).is_ok_and(|text| text.trim().len() != text.len()) {
        b"\""
    } else {
        b""
    }
}

/// Writes a comment, each of its lines with a mark.
fn comment(text: &[u8], out: &mut Vec<u8>) {
    for line in text.split(|byte| *byte == b'\n') {
        let (mark, rest) = match line.split_first() {
            Some((mark @ (b'#' | b';'), rest)) => (*mark, rest),
            _ => (b';', line),
        };
        out.extend_from_slice(&[mark, b' ']);
        out.extend_from_slice(rest.trim_ascii());
        out.push(b'\n');
    }
}
