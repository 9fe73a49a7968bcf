use zeroize::Zeroizing;

use crate::error::{Error, FormatError};
use crate::key::DataKey;
use crate::leaf::{self, Leaf};
use crate::metadata::{SopsMetadata, Stanza};
use crate::node::SopsNode;
use crate::{dotenv, ini};

/// Names the layout of a file whose value is its whole text, as sops-nix takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextForm {
    /// A line a key.
    Dotenv,
    /// Keys in sections.
    Ini,
}

impl TextForm {
    /// Returns its name, as for `sops --input-type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dotenv => "dotenv",
            Self::Ini => "ini",
        }
    }
}

/// Holds such a file as it was read, as far as one gets without a key.
#[derive(Debug)]
pub struct TextDocument {
    form: TextForm,
    entries: Vec<(String, SopsNode)>,
    leaves: Vec<Leaf>,
    metadata: SopsMetadata,
}

/// Holds what is in such a file: of dotenv keys and comments, of INI sections of these.
pub(crate) struct TextNodes {
    pub entries: Vec<(String, SopsNode)>,
    pub metadata: SopsNode,
}

impl TextDocument {
    /// Reads a file. Everything that can be determined without a key is checked here.
    ///
    /// # Errors
    /// [`Error::Format`].
    pub fn parse(form: TextForm, bytes: &[u8]) -> Result<Self, Error> {
        let text = str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            FormatError::Line { line, why: "it is not UTF-8" }
        })?;
        let TextNodes { entries, metadata } = match form {
            TextForm::Dotenv => dotenv::read(text)?,
            TextForm::Ini => ini::read(text)?,
        };
        let metadata = SopsMetadata::parse(&metadata)?;
        let leaves = leaf::collect(&entries, &metadata.rule)?;
        Ok(Self { form, entries, leaves, metadata })
    }

    /// Returns its recipients, each with the data key encrypted to it.
    pub fn stanzas(&self) -> &[Stanza] {
        &self.metadata.stanzas
    }

    /// Decrypts the file after its MAC was verified, and returns its text as `sops decrypt` prints it. No MAC covers comments.
    ///
    /// # Errors
    /// [`Error::Tag`], and what can be determined of a MAC that does not fit.
    pub fn text(&self, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        let opened = leaf::open_all(&self.leaves, &self.metadata, key)?;
        let mut out = Zeroizing::new(Vec::with_capacity(self.largest(&opened)));
        match self.form {
            TextForm::Dotenv => dotenv::write(&self.entries, &opened, &mut out),
            TextForm::Ini => ini::write(&self.entries, &opened, &mut out),
        }
        Ok(out)
    }

    /// Returns bytes that are enough for the text, which so has one place in memory: no line has more than the longest key of its
    /// section and twice its value.
    fn largest(&self, opened: &[Zeroizing<Vec<u8>>]) -> usize {
        let longest = |entries: &[(String, SopsNode)]| entries.iter().map(|(key, _)| key.len() + 32).max().unwrap_or(0);
        let keys = self.entries.iter().map(|(key, node)| match node {
            SopsNode::Map(inner) => key.len() + 32 + inner.len() * longest(inner),
            _ => key.len() + 32,
        });
        keys.sum::<usize>() + opened.iter().map(|bytes| bytes.len() * 4).sum::<usize>()
    }
}
