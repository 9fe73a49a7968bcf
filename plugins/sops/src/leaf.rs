use zeroize::Zeroizing;

use crate::encrypted_value::EncryptedValue;
use crate::error::{Error, FormatError};
use crate::key::DataKey;
use crate::kind::Kind;
use crate::mac::{self, Mac};
use crate::metadata::SopsMetadata;
use crate::node::SopsNode;
use crate::rule::EncryptionRule;

/// Holds a plaintext with its place. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct LeafValue {
    /// Key of the value; the keys of nested maps are joined by `/`. A value in a list has the list's key.
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

/// Holds the value at one place.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub path: Vec<String>,
    pub stored: LeafEncoding,
}

#[derive(Debug)]
pub(crate) enum LeafEncoding {
    /// Encrypted.
    EncryptedValue(EncryptedValue),
    /// Encrypted as nothing: sops leaves an empty string unchanged.
    Empty,
    /// Not encrypted; the text that counts for the MAC.
    Open(String),
    /// A comment that is not encrypted.
    OpenComment(String),
}

impl Leaf {
    /// Decrypts the value.
    pub fn open(&self, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.stored {
            LeafEncoding::EncryptedValue(sealed) => {
                sealed.open(key, &aad(&self.path)).ok_or_else(|| Error::Tag { path: self.key() })
            }
            LeafEncoding::Empty => Ok(Zeroizing::default()),
            LeafEncoding::Open(text) | LeafEncoding::OpenComment(text) => Ok(Zeroizing::new(text.clone().into_bytes())),
        }
    }

    pub fn encrypted(&self) -> bool {
        !matches!(self.stored, LeafEncoding::Open(_))
    }

    /// Returns the kind of a top-level value that is neither null nor has values of its own.
    pub fn kind(&self) -> Kind {
        match &self.stored {
            LeafEncoding::EncryptedValue(sealed) => sealed.kind,
            LeafEncoding::Empty => Kind::Text,
            LeafEncoding::Open(_) => Kind::Clear,
            LeafEncoding::OpenComment(_) => Kind::Comment,
        }
    }

    pub fn comment(&self) -> bool {
        self.kind() == Kind::Comment
    }

    pub fn key(&self) -> String {
        self.path.join("/")
    }
}

/// Decrypts all of these, comments as well, and verifies the MAC of the others.
pub(crate) fn open_all(
    leaves: &[Leaf],
    metadata: &SopsMetadata,
    key: &DataKey,
) -> Result<Vec<Zeroizing<Vec<u8>>>, Error> {
    let mut hash = Mac::new(metadata.mac_only_encrypted);
    let mut opened = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let bytes = leaf.open(key)?;
        if !leaf.comment() && (leaf.encrypted() || !metadata.mac_only_encrypted) {
            hash.add(&bytes);
        }
        opened.push(bytes);
    }
    mac::verify(&metadata.mac, &metadata.lastmodified, key, &hash.text())?;
    Ok(opened)
}

/// Returns the additional data of a value, so that it decrypts at its place only: the path's keys, joined by colons, and another one.
pub(crate) fn aad<T: AsRef<str>>(path: &[T]) -> String {
    let keys: Vec<&str> = path.iter().map(AsRef::as_ref).collect();
    format!("{}:", keys.join(":"))
}

/// Collects all values in document order. Nulls are left out: they are never encrypted and in no MAC.
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
        if let SopsNode::Comment(text) = node {
            leaves.push(Leaf { path: path.clone(), stored: comment(text, path, rule)? });
            continue;
        }
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

/// No MAC covers a comment: what is not encrypted where it should be is anyone's.
fn comment(text: &str, path: &[String], rule: &EncryptionRule) -> Result<LeafEncoding, FormatError> {
    if !rule.encrypts(path) {
        return Ok(LeafEncoding::OpenComment(text.to_owned()));
    }
    match sealed(&SopsNode::Text(text.to_owned()), path) {
        Ok(LeafEncoding::EncryptedValue(sealed)) if sealed.kind == Kind::Comment => {
            Ok(LeafEncoding::EncryptedValue(sealed))
        }
        _ => Err(FormatError::Open { path: [path, &["#".to_owned()]].concat().join("/") }),
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
