use zeroize::Zeroizing;

use crate::encrypted_value::EncryptedValue;
use crate::error::{Error, FormatError};
use crate::key::DataKey;
use crate::kind::Kind;
use crate::node::SopsNode;
use crate::rule::EncryptionRule;

/// A plaintext with its place. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct LeafValue {
    /// Its key; those of nested maps are joined by `/`. What is in a list has the list's key.
    pub key: String,
    /// The plaintext.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl LeafValue {
    /// Takes both over.
    pub fn new(key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), bytes: Zeroizing::new(bytes.into()) }
    }
}

impl std::fmt::Debug for LeafValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LeafValue({:?}, {} bytes)", self.key, self.bytes.len())
    }
}

/// What lies at one place.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub path: Vec<String>,
    pub stored: LeafEncoding,
}

#[derive(Debug)]
pub(crate) enum LeafEncoding {
    /// Encrypted.
    EncryptedValue(EncryptedValue),
    /// Encrypted as nothing: sops leaves an empty text as it is.
    Empty,
    /// Not encrypted; what counts for the MAC.
    Open(String),
}

impl Leaf {
    /// The plaintext.
    pub fn open(&self, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.stored {
            LeafEncoding::EncryptedValue(sealed) => {
                sealed.open(key, &aad(&self.path)).ok_or_else(|| Error::Tag { path: self.key() })
            }
            LeafEncoding::Empty => Ok(Zeroizing::default()),
            LeafEncoding::Open(text) => Ok(Zeroizing::new(text.clone().into_bytes())),
        }
    }

    pub fn encrypted(&self) -> bool {
        !matches!(self.stored, LeafEncoding::Open(_))
    }

    /// What the value of a top-level key is that is neither null nor has values of its own.
    pub fn kind(&self) -> Kind {
        match &self.stored {
            LeafEncoding::EncryptedValue(sealed) => sealed.kind,
            LeafEncoding::Empty => Kind::Text,
            LeafEncoding::Open(_) => Kind::Clear,
        }
    }

    pub fn comment(&self) -> bool {
        matches!(&self.stored, LeafEncoding::EncryptedValue(sealed) if sealed.kind == Kind::Comment)
    }

    pub fn key(&self) -> String {
        self.path.join("/")
    }
}

/// What a value is bound to, so that it opens at its place only: the path's keys, each with a colon behind it.
pub(crate) fn aad<T: AsRef<str>>(path: &[T]) -> String {
    path.iter().flat_map(|key| [key.as_ref(), ":"]).collect()
}

/// All leaves in document order. Nulls are none: they are never encrypted and in no MAC.
pub(crate) fn collect(entries: &[(String, SopsNode)], rule: &EncryptionRule) -> Result<Vec<Leaf>, FormatError> {
    let mut leaves = Vec::new();
    walk_map(entries, &mut Vec::new(), rule, &mut leaves)?;
    Ok(leaves)
}

fn walk_map(
    entries: &[(String, SopsNode)],
    path: &mut Vec<String>,
    rule: &EncryptionRule,
    leaves: &mut Vec<Leaf>,
) -> Result<(), FormatError> {
    for (key, node) in entries {
        path.push(key.clone());
        walk(node, path, rule, leaves)?;
        path.pop();
    }
    Ok(())
}

fn walk(
    node: &SopsNode,
    path: &mut Vec<String>,
    rule: &EncryptionRule,
    leaves: &mut Vec<Leaf>,
) -> Result<(), FormatError> {
    match node {
        SopsNode::Map(entries) => walk_map(entries, path, rule, leaves),
        SopsNode::List(items) => items.iter().try_for_each(|item| walk(item, path, rule, leaves)),
        SopsNode::Null => Ok(()),
        scalar => {
            let stored = if rule.encrypts(path) { sealed(scalar, path)? } else { open(scalar, path)? };
            leaves.push(Leaf { path: path.clone(), stored });
            Ok(())
        }
    }
}

fn sealed(scalar: &SopsNode, path: &[String]) -> Result<LeafEncoding, FormatError> {
    match scalar {
        SopsNode::Text(text) if text.is_empty() => Ok(LeafEncoding::Empty),
        SopsNode::Text(text) if text.starts_with("ENC[") => match EncryptedValue::parse(text) {
            Ok(sealed) => Ok(LeafEncoding::EncryptedValue(sealed)),
            Err(why) => Err(FormatError::Sealed { path: path.join("/"), why }),
        },
        _ => Err(FormatError::Open { path: path.join("/") }),
    }
}

fn open(scalar: &SopsNode, path: &[String]) -> Result<LeafEncoding, FormatError> {
    match scalar {
        SopsNode::Text(text) | SopsNode::Number(text) => Ok(LeafEncoding::Open(text.clone())),
        SopsNode::Bool(true) => Ok(LeafEncoding::Open("True".to_owned())),
        SopsNode::Bool(false) => Ok(LeafEncoding::Open("False".to_owned())),
        _ => Err(FormatError::Scalar { path: path.join("/") }),
    }
}
