//! The one door to a person's private keys.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::{Keyring, OpenError, header_hash};
use artifacts_digest::HeaderHash;
use artifacts_seam::{BackendFailure, EntryFiles, FailureKind, HostReply, Secret, SecretId};
use artifacts_text::Explain;

use artifacts_contract::Grants;

/// Describes an age file that a component had decrypted, or asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecryptAttempt {
    /// Hash of its header. None where there is no header, or where a component that was given a plaintext chose it.
    pub header: Option<HeaderHash>,
    /// The stored file that it is, as a whole.
    pub file: Option<String>,
    /// The kind of identity that opened it.
    pub identity: Option<String>,
    /// Why it was not opened.
    pub error: Option<&'static str>,
}

/// Maps the headers that may be decrypted to the declared files that each is for.
pub type Openable = BTreeMap<HeaderHash, BTreeSet<String>>;

/// Holds what was decrypted of an entry for its backend, by header, until it is written again. Empty for a backend that sees no plaintext.
pub type Decrypted = BTreeMap<HeaderHash, Secret>;

/// Opens the headers that it is given, which whoever calls found to be this instance's, and nothing else.
pub(crate) struct HeaderGate<'a> {
    entry: &'a EntryFiles,
    openable: Openable,
    keys: &'a Keyring,
    opened: Vec<Opened>,
    openings: Vec<DecryptAttempt>,
    /// Why no identity decrypts the last one that none does.
    no_identity: Option<BackendFailure>,
}

/// What was opened, and the declared files that it is for.
pub(crate) struct Opened {
    header: HeaderHash,
    pub secret: Secret,
    pub files: BTreeSet<String>,
}

impl<'a> HeaderGate<'a> {
    /// For these files of an instance, and no others.
    pub(crate) fn new(entry: &'a EntryFiles, openable: &Openable, names: &[String], keys: &'a Keyring) -> Self {
        let wanted = |files: &BTreeSet<String>| names.iter().any(|name| files.contains(name));
        let openable = openable.iter().filter(|(_, files)| wanted(files));
        let openable = openable.map(|(header, files)| (*header, files.clone())).collect();
        Self { entry, openable, keys, opened: Vec::new(), openings: Vec::new(), no_identity: None }
    }

    /// How many age files may be opened.
    pub(crate) fn size(&self) -> usize {
        self.openable.len()
    }

    /// What was opened under this handle.
    pub(crate) fn opened(&self, SecretId(number): SecretId) -> Option<&Opened> {
        self.opened.get(usize::try_from(number).ok()?)
    }

    /// Why no identity decrypts the last one that none does.
    pub(crate) fn no_identity(&self) -> Option<&BackendFailure> {
        self.no_identity.as_ref()
    }

    /// What was asked for, and what was decrypted.
    pub(crate) fn finish(self) -> (Vec<DecryptAttempt>, Decrypted) {
        let decrypted = self.opened.into_iter().map(|opened| (opened.header, opened.secret));
        (self.openings, decrypted.collect())
    }

    pub(crate) fn open(&mut self, file: &[u8], grants: &Grants, saw_plaintext: bool) -> HostReply {
        let header = header_hash(file);
        let files = header.as_ref().ok().and_then(|header| self.openable.get(header)).cloned();
        let opening = DecryptAttempt {
            // A component that saw a plaintext could put it into a header of its own.
            header: header.as_ref().ok().filter(|_| files.is_some() || !saw_plaintext).copied(),
            file: self.entry.iter().find(|(_, bytes)| *bytes == file).map(|(name, _)| name.clone()),
            identity: None,
            error: None,
        };
        let (answer, identity, error) = match (header, files) {
            _ if !grants.identities => {
                (denied("it tried to decrypt without the grant `identities`"), None, Some("denied"))
            }
            (Err(why), _) => {
                (HostReply::Failed(crate::age_failure::age_failure(FailureKind::Corrupt, &why)), None, Some("corrupt"))
            }
            (Ok(_), None) => {
                (denied("it tried to decrypt a file that was not encrypted for this artifact"), None, Some("denied"))
            }
            (Ok(header), Some(files)) => self.open_ours(file, header, files),
        };
        self.openings.push(DecryptAttempt { identity, error, ..opening });
        answer
    }

    fn open_ours(
        &mut self,
        file: &[u8],
        header: HeaderHash,
        files: BTreeSet<String>,
    ) -> (HostReply, Option<String>, Option<&'static str>) {
        let next = u32::try_from(self.opened.len()).map(SecretId);
        match (self.keys.open(file), next) {
            (Ok(opened), Ok(id)) => {
                let answer = HostReply::Opened { secret: id, size: opened.secret.size() };
                self.opened.push(Opened { header, secret: opened.secret, files });
                (answer, Some(opened.identity), None)
            }
            (Ok(_), Err(_)) => (denied("it tried to decrypt more than the limit"), None, Some("denied")),
            (Err(error), _) => {
                let failure = failure(&error);
                if failure.kind == FailureKind::NoIdentity {
                    self.no_identity = Some(failure.clone());
                }
                (HostReply::Failed(failure), None, Some(error.kind()))
            }
        }
    }
}

fn denied(why: &str) -> HostReply {
    HostReply::Denied(why.to_owned())
}

fn failure(error: &OpenError) -> BackendFailure {
    let kind = match error {
        OpenError::NoIdentity(_) | OpenError::NoIdentities(_) => FailureKind::NoIdentity,
        OpenError::Corrupt(_) => FailureKind::Corrupt,
    };
    BackendFailure { kind, message: error.to_string(), hint: error.hint() }
}
