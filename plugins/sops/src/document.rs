use std::collections::HashMap;

use crate::error::{Error, FormatError};
use crate::form::{DATA, Form, METADATA};
use crate::key::DataKey;
use crate::kind::Kind;
use crate::leaf::{self, Leaf, LeafValue};
use crate::metadata::{OtherRecipient, SopsMetadata, Stanza};
use crate::node::SopsNode;
use crate::{json, yaml};

/// A file that was read, as far as one gets without a key.
#[derive(Debug)]
pub struct Document {
    pub(crate) form: Form,
    /// What each key holds, by the keys on the way to it, in the order of the file.
    kinds: Vec<(Vec<String>, Kind)>,
    pub(crate) leaves: Vec<Leaf>,
    pub(crate) metadata: SopsMetadata,
}

impl Document {
    /// Reads a file. Everything that can be told without a key is checked here.
    ///
    /// # Errors
    /// [`Error::Format`].
    pub fn parse(form: Form, bytes: &[u8]) -> Result<Self, Error> {
        let mut entries = entries(form, bytes)?;
        let index = entries.iter().position(|(key, _)| key == METADATA).ok_or(FormatError::NoMetadata)?;
        let (_, metadata) = entries.remove(index);
        let metadata = SopsMetadata::parse(&metadata)?;
        if form == Form::Binary && !matches!(entries.as_slice(), [(key, SopsNode::Text(_))] if key == DATA) {
            return Err(FormatError::Keys { found: keys(&entries) }.into());
        }
        let leaves = leaf::collect(&entries, &metadata.rule)?;
        Ok(Self { form, kinds: kinds(&entries, &leaves), leaves, metadata })
    }

    /// Its form.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Who reads it, each with the data key sealed to them.
    pub fn stanzas(&self) -> &[Stanza] {
        &self.metadata.stanzas
    }

    /// Whom the data key is encrypted to in other ways than by age. A file that is written again does not have them.
    pub fn other_recipients(&self) -> &[OtherRecipient] {
        &self.metadata.others
    }

    /// Its top-level keys in order, each with what its value is.
    pub fn kinds(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.kinds.iter().filter_map(|(path, kind)| match path.as_slice() {
            [key] => Some((key.as_str(), *kind)),
            _ => None,
        })
    }

    /// Returns what these keys lead to, the first of them at the top; none if there is no such key.
    pub fn kind(&self, path: &[&str]) -> Option<Kind> {
        self.kinds.iter().find(|(keys, _)| keys == path).map(|(_, kind)| *kind)
    }

    /// Returns the one of all [values](Self::decrypt) that these keys lead to. A list has none.
    pub fn value<'a>(&self, values: &'a [LeafValue], path: &[&str]) -> Option<&'a LeafValue> {
        let leaves = self.leaves.iter().filter(|leaf| !leaf.comment());
        self.kind(path).filter(|kind| *kind != Kind::List)?;
        leaves.zip(values).find(|(leaf, _)| leaf.path == path).map(|(_, value)| value)
    }

    /// All plaintexts in order, after the MAC was verified. An empty value is bound to nothing but its order in this format:
    /// its key could have been changed.
    ///
    /// # Errors
    /// [`Error::Tag`], and what can be told of a MAC that does not fit.
    pub fn decrypt(&self, key: &DataKey) -> Result<Vec<LeafValue>, Error> {
        let opened = leaf::open_all(&self.leaves, &self.metadata, key)?;
        let values = self.leaves.iter().zip(opened).filter(|(leaf, _)| !leaf.comment());
        Ok(values.map(|(leaf, bytes)| LeafValue { key: leaf.key(), bytes }).collect())
    }
}

fn entries(form: Form, bytes: &[u8]) -> Result<Vec<(String, SopsNode)>, FormatError> {
    let root = match form {
        Form::Binary | Form::Json => json::read(form, bytes)?,
        Form::Yaml => yaml::read(bytes)?,
    };
    match root {
        SopsNode::Map(entries) => Ok(entries),
        other => Err(FormatError::Syntax { form, why: format!("it is {}; expected a map", other.kind()) }),
    }
}

/// Returns what each key holds, also below others.
fn kinds(entries: &[(String, SopsNode)], leaves: &[Leaf]) -> Vec<(Vec<String>, Kind)> {
    // Those in a list have the path of the list, which is none of a value.
    let scalars = leaves.iter().map(|leaf| (leaf.path.as_slice(), leaf.kind())).collect();
    let mut kinds = Vec::new();
    add_kinds(entries, &mut Vec::new(), &scalars, &mut kinds);
    kinds
}

fn add_kinds(
    entries: &[(String, SopsNode)],
    path: &mut Vec<String>,
    scalars: &HashMap<&[String], Kind>,
    kinds: &mut Vec<(Vec<String>, Kind)>,
) {
    for (key, node) in entries {
        path.push(key.clone());
        let kind = match node {
            SopsNode::Map(_) => Kind::Map,
            SopsNode::List(_) => Kind::List,
            SopsNode::Null => Kind::Null,
            _ => scalars.get(path.as_slice()).copied().unwrap_or(Kind::Clear),
        };
        kinds.push((path.clone(), kind));
        if let SopsNode::Map(inner) = node {
            add_kinds(inner, path, scalars, kinds);
        }
        path.pop();
    }
}

fn keys(entries: &[(String, SopsNode)]) -> String {
    let keys: Vec<String> =
        entries.iter().map(|(key, node)| format!("`{}` ({})", key.escape_debug(), node.kind())).collect();
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}
