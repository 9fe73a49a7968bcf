use zeroize::Zeroizing;

use crate::error::{Error, Format};
use crate::key::DataKey;
use crate::kind::Kind;
use crate::node::Node;
use crate::rule::Rule;
use crate::sealed::Sealed;

/// A plaintext with its place. Wiped when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Value {
    /// Its key; those of nested maps are joined by `/`. What is in a list has the list's key.
    pub key: String,
    /// The plaintext.
    pub bytes: Zeroizing<Vec<u8>>,
}

impl Value {
    /// Takes both over.
    pub fn new(key: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), bytes: Zeroizing::new(bytes.into()) }
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({:?}, {} bytes)", self.key, self.bytes.len())
    }
}

/// What lies at one place.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub path: Vec<String>,
    pub stored: Stored,
}

#[derive(Debug)]
pub(crate) enum Stored {
    /// Encrypted.
    Sealed(Sealed),
    /// Encrypted as nothing: sops leaves an empty text as it is.
    Empty,
    /// Not encrypted; what counts for the MAC.
    Open(String),
}

impl Leaf {
    /// The plaintext.
    pub fn open(&self, key: &DataKey) -> Result<Zeroizing<Vec<u8>>, Error> {
        match &self.stored {
            Stored::Sealed(sealed) => sealed.open(key, &aad(&self.path)).ok_or_else(|| Error::Tag { path: self.key() }),
            Stored::Empty => Ok(Zeroizing::default()),
            Stored::Open(text) => Ok(Zeroizing::new(text.clone().into_bytes())),
        }
    }

    pub fn encrypted(&self) -> bool {
        !matches!(self.stored, Stored::Open(_))
    }

    /// What the value of a top-level key is that is neither null nor has values of its own.
    pub fn kind(&self) -> Kind {
        match &self.stored {
            Stored::Sealed(sealed) => sealed.kind,
            Stored::Empty => Kind::Text,
            Stored::Open(_) => Kind::Clear,
        }
    }

    pub fn comment(&self) -> bool {
        matches!(&self.stored, Stored::Sealed(sealed) if sealed.kind == Kind::Comment)
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
pub(crate) fn collect(entries: &[(String, Node)], rule: &Rule) -> Result<Vec<Leaf>, Format> {
    let mut leaves = Vec::new();
    walk_map(entries, &mut Vec::new(), rule, &mut leaves)?;
    Ok(leaves)
}

fn walk_map(
    entries: &[(String, Node)],
    path: &mut Vec<String>,
    rule: &Rule,
    leaves: &mut Vec<Leaf>,
) -> Result<(), Format> {
    for (key, node) in entries {
        path.push(key.clone());
        walk(node, path, rule, leaves)?;
        path.pop();
    }
    Ok(())
}

fn walk(node: &Node, path: &mut Vec<String>, rule: &Rule, leaves: &mut Vec<Leaf>) -> Result<(), Format> {
    match node {
        Node::Map(entries) => walk_map(entries, path, rule, leaves),
        Node::List(items) => items.iter().try_for_each(|item| walk(item, path, rule, leaves)),
        Node::Null => Ok(()),
        scalar => {
            let stored = if rule.encrypts(path) { sealed(scalar, path)? } else { open(scalar, path)? };
            leaves.push(Leaf { path: path.clone(), stored });
            Ok(())
        }
    }
}

fn sealed(scalar: &Node, path: &[String]) -> Result<Stored, Format> {
    match scalar {
        Node::Text(text) if text.is_empty() => Ok(Stored::Empty),
        Node::Text(text) if text.starts_with("ENC[") => match Sealed::parse(text) {
            Ok(sealed) => Ok(Stored::Sealed(sealed)),
            Err(why) => Err(Format::Sealed { path: path.join("/"), why }),
        },
        _ => Err(Format::Open { path: path.join("/") }),
    }
}

fn open(scalar: &Node, path: &[String]) -> Result<Stored, Format> {
    match scalar {
        Node::Text(text) | Node::Number(text) => Ok(Stored::Open(text.clone())),
        Node::Bool(true) => Ok(Stored::Open("True".to_owned())),
        Node::Bool(false) => Ok(Stored::Open("False".to_owned())),
        _ => Err(Format::Scalar { path: path.join("/") }),
    }
}
