use std::collections::HashMap;

use crate::error::{Error, FormatError};
use crate::form::{DATA, Form, METADATA};
use crate::key::DataKey;
use crate::kind::Kind;
use crate::leaf::{self, Leaf, LeafValue};
use crate::mac::{self, Mac};
use crate::metadata::{OtherRecipient, SopsMetadata, Stanza};
use crate::node::SopsNode;
use crate::{json, yaml};

/// A file that was read, as far as one gets without a key.
#[derive(Debug)]
pub struct Document {
    pub(crate) form: Form,
    kinds: Vec<(String, Kind)>,
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
        self.kinds.iter().map(|(key, kind)| (key.as_str(), *kind))
    }

    /// All plaintexts in order, after the MAC was verified. An empty value is bound to nothing but its order in this format:
    /// its key could have been changed.
    ///
    /// # Errors
    /// [`Error::Tag`], and what can be told of a MAC that does not fit.
    pub fn decrypt(&self, key: &DataKey) -> Result<Vec<LeafValue>, Error> {
        let mut hash = Mac::new(self.metadata.mac_only_encrypted);
        let mut values = Vec::with_capacity(self.leaves.len());
        for leaf in &self.leaves {
            let bytes = leaf.open(key)?;
            if leaf.comment() {
                continue;
            }
            if leaf.encrypted() || !self.metadata.mac_only_encrypted {
                hash.add(&bytes);
            }
            values.push(LeafValue { key: leaf.key(), bytes });
        }
        mac::verify(&self.metadata.mac, &self.metadata.lastmodified, key, &hash.text())?;
        Ok(values)
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

fn kinds(entries: &[(String, SopsNode)], leaves: &[Leaf]) -> Vec<(String, Kind)> {
    let scalars: HashMap<&str, Kind> = leaves
        .iter()
        .filter_map(|leaf| match leaf.path.as_slice() {
            [key] => Some((key.as_str(), leaf.kind())),
            _ => None,
        })
        .collect();
    let kind = |(key, node): &(String, SopsNode)| {
        let kind = match node {
            SopsNode::Map(_) => Kind::Map,
            SopsNode::List(_) => Kind::List,
            SopsNode::Null => Kind::Null,
            _ => scalars.get(key.as_str()).copied().unwrap_or(Kind::Clear),
        };
        (key.clone(), kind)
    };
    entries.iter().map(kind).collect()
}

fn keys(entries: &[(String, SopsNode)]) -> String {
    let keys: Vec<String> =
        entries.iter().map(|(key, node)| format!("`{}` ({})", key.escape_debug(), node.kind())).collect();
    if keys.is_empty() { "none".to_owned() } else { keys.join(", ") }
}
