use std::fmt::Write;

use crate::form::{Form, METADATA};
use crate::json;
use crate::metadata::Stanza;
use crate::node::SopsNode;
use crate::rule::DEFAULT_SUFFIX;

/// The version of the layout that is written. Every sops since reads it.
const VERSION: &str = "3.9.0";

/// A file before it is laid out: all is ciphertext or public by now.
pub(crate) struct Parts<'a> {
    /// Keys and encrypted values.
    pub values: &'a [(&'a str, String)],
    pub stanzas: &'a [Stanza],
    /// Recipients of other key services, as another file has them.
    pub others: &'a [(String, SopsNode)],
    pub lastmodified: &'a str,
    pub mac: &'a str,
}

impl Parts<'_> {
    pub fn emit(&self, form: Form) -> Vec<u8> {
        match form {
            Form::Binary | Form::Json => json::write(&self.node()),
            Form::Yaml => self.yaml().into_bytes(),
        }
    }

    fn node(&self) -> SopsNode {
        let text = |text: &str| SopsNode::Text(text.to_owned());
        let age = self.stanzas.iter().map(|stanza| {
            SopsNode::Map(vec![("recipient".into(), text(&stanza.recipient)), ("enc".into(), text(&stanza.enc))])
        });
        let mut metadata = vec![("age".into(), SopsNode::List(age.collect()))];
        metadata.extend(self.others.iter().cloned());
        metadata.extend([
            ("lastmodified".into(), text(self.lastmodified)),
            ("mac".into(), text(self.mac)),
            ("unencrypted_suffix".into(), text(DEFAULT_SUFFIX)),
            ("version".into(), text(VERSION)),
        ]);
        let metadata = SopsNode::Map(metadata);
        let mut entries: Vec<_> = self.values.iter().map(|(key, value)| ((*key).to_owned(), text(value))).collect();
        entries.push((METADATA.to_owned(), metadata));
        SopsNode::Map(entries)
    }

    /// As sops indents it. Every text that could be taken for something else is quoted.
    fn yaml(&self) -> String {
        let mut out = String::new();
        for (key, value) in self.values {
            // An encrypted value is safe as it is: `ENC[…]` has neither `: ` nor ` #`.
            let value = if value.is_empty() { "\"\"" } else { value.as_str() };
            let _ = writeln!(out, "{}: {value}", quoted(key));
        }
        let _ = writeln!(out, "{METADATA}:\n    age:");
        for stanza in self.stanzas {
            let _ = writeln!(out, "        - recipient: {}\n          enc: |", quoted(&stanza.recipient));
            for line in stanza.enc.lines() {
                let _ = writeln!(out, "            {}", line.trim());
            }
        }
        // JSON is YAML.
        for (service, list) in self.others {
            let _ = writeln!(out, "    {}: {}", quoted(service), json::on_one_line(list));
        }
        let Self { lastmodified, mac, .. } = self;
        let _ = writeln!(out, "    lastmodified: {}\n    mac: {mac}", quoted(lastmodified));
        let _ = writeln!(out, "    unencrypted_suffix: {DEFAULT_SUFFIX}\n    version: {VERSION}");
        out
    }
}

/// A double-quoted YAML text: JSON's escapes are YAML's, and what YAML does not print is escaped too.
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for char in text.chars() {
        match char {
            '"' | '\\' => {
                out.push('\\');
                out.push(char);
            }
            ' '..='~' => out.push(char),
            char if char.is_alphanumeric() => out.push(char),
            char if u32::from(char) > 0xffff => {
                let _ = write!(out, "\\U{:08x}", u32::from(char));
            }
            char => {
                let _ = write!(out, "\\u{:04x}", u32::from(char));
            }
        }
    }
    out.push('"');
    out
}
