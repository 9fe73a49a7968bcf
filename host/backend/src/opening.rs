//! The one door to a person's private keys.

use std::collections::BTreeSet;

use artifacts_age::{Keyring, OpenError, header_sha256};
use artifacts_seam::{Answer, Failure, Files, Secret, SecretId};

use crate::Grants;

/// An age file that a component had opened, or asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// SHA-256 of its header, in hex. None where there is no header, or where a component that was given a plaintext chose it.
    pub header: Option<String>,
    /// The stored file that it is, as a whole.
    pub file: Option<String>,
    /// The kind of identity that opened it.
    pub identity: Option<String>,
    /// Why it was not opened.
    pub error: Option<&'static str>,
}

/// Opens the headers that it is given, which whoever calls found to be this instance's, and nothing else.
pub(crate) struct Gate<'a> {
    slice: &'a Files,
    sealed: &'a BTreeSet<String>,
    keys: &'a mut Keyring,
    opened: Vec<Secret>,
    openings: Vec<Opening>,
}

impl<'a> Gate<'a> {
    pub(crate) fn new(slice: &'a Files, sealed: &'a BTreeSet<String>, keys: &'a mut Keyring) -> Self {
        Self { slice, sealed, keys, opened: Vec::new(), openings: Vec::new() }
    }

    /// How many age files may be opened.
    pub(crate) fn size(&self) -> usize {
        self.sealed.len()
    }

    /// What was opened under this handle.
    pub(crate) fn opened(&self, SecretId(number): SecretId) -> Option<&Secret> {
        self.opened.get(usize::try_from(number).ok()?)
    }

    pub(crate) fn finish(self) -> Vec<Opening> {
        self.openings
    }

    pub(crate) fn open(&mut self, file: &[u8], grants: &Grants, saw_plaintext: bool) -> Answer {
        let header = header_sha256(file);
        let ours = header.as_ref().is_ok_and(|header| self.sealed.contains(header));
        let opening = Opening {
            // A component that saw a plaintext could put it into a header of its own.
            header: header.as_ref().ok().filter(|_| ours || !saw_plaintext).cloned(),
            file: self.slice.iter().find(|(_, bytes)| *bytes == file).map(|(name, _)| name.clone()),
            identity: None,
            error: None,
        };
        let (answer, identity, error) = match header {
            _ if !grants.identities => {
                (denied("it asked the host to decrypt without the grant `identities`"), None, Some("denied"))
            }
            Err(why) => (Answer::Failed(crate::broker::failure("corrupt", &why)), None, Some("corrupt")),
            Ok(_) if !ours => {
                (denied("it asked the host to decrypt what was not sealed for this instance"), None, Some("denied"))
            }
            Ok(_) => self.open_ours(file),
        };
        self.openings.push(Opening { identity, error, ..opening });
        answer
    }

    fn open_ours(&mut self, file: &[u8]) -> (Answer, Option<String>, Option<&'static str>) {
        let next = u32::try_from(self.opened.len()).map(SecretId);
        match (self.keys.open(file), next) {
            (Ok(opened), Ok(id)) => {
                let answer = Answer::Opened { secret: id, size: opened.secret.size() };
                self.opened.push(opened.secret);
                (answer, Some(opened.identity), None)
            }
            (Ok(_), Err(_)) => (denied("it asked the host to decrypt too much"), None, Some("denied")),
            (Err(error), _) => (Answer::Failed(failure(&error)), None, Some(error.kind())),
        }
    }
}

fn denied(why: &str) -> Answer {
    Answer::Denied(why.to_owned())
}

fn failure(error: &OpenError) -> Failure {
    Failure { kind: error.kind().to_owned(), message: error.to_string(), hint: Some(error.help()) }
}
