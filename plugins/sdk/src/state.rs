pub use crate::bindings::exports::artifacts::backend::storage::ReasonKind;

/// Describes whether and how an instance is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Every declared file is stored and valid, as far as that is known without a key.
    Present,
    /// Nothing is stored. The host compares this with the files.
    Absent,
    /// Something is stored, but not as declared.
    Stale(Stale),
}

/// Holds why an entry is stale: at least one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The first reason.
    pub first: Reason,
    /// The others.
    pub rest: Vec<Reason>,
}

/// Says why an entry is not as declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// What kind of reason it is.
    pub kind: ReasonKind,
    /// One sentence.
    pub message: String,
    /// The declared file and the key that stays in it, where this is about one that stays.
    pub kept: Option<(String, String)>,
}

impl Reason {
    /// Creates a reason.
    pub fn new(kind: ReasonKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), kept: None }
    }

    /// Creates the reason that a file is also encrypted to a key which [`crate::Backend::recipients`] does not give, and which stays when
    /// the same values are written again. The host counts it as one of the file's recipients, and the entry as present.
    pub fn kept(file: impl Into<String>, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kept: Some((file.into(), key.into())), ..Self::new(ReasonKind::Recipients, message) }
    }
}

impl Stale {
    /// Returns all reasons.
    pub fn reasons(&self) -> impl Iterator<Item = &Reason> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl State {
    /// Returns that something is stored: as declared, or where there are reasons not.
    pub fn stored(reasons: Vec<Reason>) -> Self {
        let mut reasons = reasons.into_iter();
        match reasons.next() {
            None => Self::Present,
            Some(first) => Self::Stale(Stale { first, rest: reasons.collect() }),
        }
    }
}
