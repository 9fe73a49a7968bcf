//! Dotenv as sops has it: a line is a comment or `KEY=VALUE`, and its metadata are keys that begin with `sops_`.

use zeroize::Zeroizing;

use crate::error::FormatError;
use crate::flat;
use crate::node::SopsNode;
use crate::text_document::TextNodes;

/// What keys of the metadata begin with.
const PREFIX: &str = "sops_";

/// Reads an encrypted file.
pub(crate) fn read(text: &str) -> Result<TextNodes, FormatError> {
    let (mut entries, mut metadata) = (Vec::new(), Vec::new());
    for (index, line) in text.split('\n').enumerate().filter(|(_, line)| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix('#') {
            entries.push((String::new(), SopsNode::Comment(comment.to_owned())));
            continue;
        }
        let why = "it has no `=`";
        let (key, value) = line.split_once('=').ok_or(FormatError::Line { line: index + 1, why })?;
        match key.strip_prefix(PREFIX) {
            Some(field) => metadata.push((field.to_owned(), value.to_owned())),
            None => entries.push((key.to_owned(), SopsNode::Text(value.replace("\\n", "\n")))),
        }
    }
    if metadata.is_empty() {
        return Err(FormatError::NoMetadata);
    }
    Ok(TextNodes { entries, metadata: flat::unflattened(&metadata)? })
}

/// Writes decrypted entries as sops does.
pub(crate) fn write(entries: &[(String, SopsNode)], opened: &[Zeroizing<Vec<u8>>], out: &mut Vec<u8>) {
    for ((key, node), value) in entries.iter().zip(opened) {
        if let SopsNode::Comment(_) = node {
            out.push(b'#');
            out.extend_from_slice(value);
        } else {
            out.extend_from_slice(key.as_bytes());
            out.push(b'=');
            for (index, line) in value.split(|byte| *byte == b'\n').enumerate() {
                out.extend_from_slice(if index == 0 { b"" } else { b"\\n" });
                out.extend_from_slice(line);
            }
        }
        out.push(b'\n');
    }
}
