use std::collections::BTreeSet;

use artifacts_declared::InstanceName;

/// Names the kinds of reasons for which an entry is stale, in the order in which they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReasonKind {
    /// Another backend or storage than the declared one has it.
    Backend,
    /// A dependency was generated since, or is another one.
    Dependency,
    /// It is older than `maxAge`.
    Expired,
    /// Its files are not those that are declared.
    Files,
    /// Its files are not in the form that the backend expects.
    Format,
    /// It is not what its receipt describes, or an older generation than the last that this machine stored.
    Receipt,
    /// It is encrypted to other recipients than those that are declared.
    Recipients,
    /// `validation` is another value than when it was generated.
    Validation,
}

impl ReasonKind {
    /// Every kind, in order.
    pub const ALL: [Self; 8] = [
        Self::Backend,
        Self::Dependency,
        Self::Expired,
        Self::Files,
        Self::Format,
        Self::Receipt,
        Self::Recipients,
        Self::Validation,
    ];

    /// Returns its word, as `--json` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "backend",
            Self::Dependency => "dependency",
            Self::Expired => "expired",
            Self::Files => "files",
            Self::Format => "format",
            Self::Receipt => "receipt",
            Self::Recipients => "recipients",
            Self::Validation => "validation",
        }
    }

    /// Returns whether the value itself is outdated. For any other reason the value can be kept.
    pub fn is_outdated(self) -> bool {
        match self {
            Self::Dependency | Self::Expired | Self::Validation => true,
            Self::Backend | Self::Files | Self::Format | Self::Receipt | Self::Recipients => false,
        }
    }

    /// Returns whether an entry that is stale for it has to be looked at before its value may be given up: it is elsewhere,
    /// damaged, or what another program stored.
    pub fn is_unclear(self) -> bool {
        match self {
            Self::Backend | Self::Format | Self::Receipt => true,
            Self::Dependency | Self::Expired | Self::Files | Self::Recipients | Self::Validation => false,
        }
    }

    /// Returns whether an admin may accept an entry as it is stored although it is stale for this.
    pub fn is_acceptable(self) -> bool {
        match self {
            Self::Dependency | Self::Expired | Self::Receipt | Self::Validation => true,
            Self::Backend | Self::Files | Self::Format | Self::Recipients => false,
        }
    }
}

/// Holds one reason for which an entry is stale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// Its kind.
    pub kind: ReasonKind,
    /// One sentence.
    pub message: String,
    /// What in particular, where the host knows it.
    pub cause: Cause,
}

/// Says what in particular makes an entry stale, as far as a hint depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// This declared file was never stored.
    Unstored(String),
    /// This stored file is no longer declared.
    Undeclared(String),
    /// This file of the entry's directory belongs to no one: its path below the directory.
    Stray(String),
    /// This machine stored a later generation.
    Older,
    /// These recipients differ between what is stored and what is declared.
    Recipients(RecipientDelta),
    /// Nothing in particular.
    #[default]
    Other,
}

/// Holds which recipients of files join and leave, by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipientDelta {
    /// The files that change so.
    pub files: BTreeSet<String>,
    /// Whether these are all secret files of the instance.
    pub is_whole: bool,
    /// Keys that are declared and not stored.
    pub joined: BTreeSet<String>,
    /// Keys that are stored and not declared.
    pub left: BTreeSet<String>,
}

impl Reason {
    /// A reason without a particular cause.
    pub fn new(kind: ReasonKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), cause: Cause::Other }
    }

    /// A declared file was never stored.
    pub(crate) fn unstored(file: &str, message: String) -> Self {
        Self { kind: ReasonKind::Files, message, cause: Cause::Unstored(file.to_owned()) }
    }

    /// A stored file is no longer declared.
    pub(crate) fn undeclared(file: &str, message: String) -> Self {
        Self { kind: ReasonKind::Files, message, cause: Cause::Undeclared(file.to_owned()) }
    }

    /// A file belongs to no one.
    pub(crate) fn stray(path: &str) -> Self {
        let message = format!("`{path}` is not part of the entry");
        Self { kind: ReasonKind::Files, message, cause: Cause::Stray(path.to_owned()) }
    }

    /// Recipients changed. Who they are is not known here.
    pub(crate) fn recipients(delta: RecipientDelta) -> Self {
        let files: Vec<&str> = delta.files.iter().map(String::as_str).collect();
        let message =
            format!("recipients of {} changed: +{} -{}", files.join(", "), delta.joined.len(), delta.left.len());
        Self { kind: ReasonKind::Recipients, message, cause: Cause::Recipients(delta) }
    }

    /// This machine stored a later generation.
    pub(crate) fn older(message: String) -> Self {
        Self { kind: ReasonKind::Receipt, message, cause: Cause::Older }
    }

    /// Returns whether an entry is not as its receipt says, of an older generation as well.
    pub fn is_modified(&self) -> bool {
        self.kind == ReasonKind::Receipt && self.cause != Cause::Older
    }

    /// A dependency was generated after this instance.
    pub fn regenerated(dependency: &InstanceName) -> Self {
        Self::new(ReasonKind::Dependency, format!("{dependency} was regenerated"))
    }
}
