//! The host's side of one call: it holds the secrets, and gives out only what the grants and the recipients allow.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::Sealer;
use artifacts_declared::Recipients;
use artifacts_seam::{Ask, FailureKind, HostReply, PlaintextRef, Secret, SecretId};

use crate::DecryptAttempt;
use crate::age_failure::age_failure;
use crate::connection::Host;
use crate::decrypt::HeaderGate;
use artifacts_contract::Grants;
use artifacts_seam::escaped;

/// Questions that one call may ask, besides some for each item and recipient. Each recipient of a seal is one.
const QUESTIONS: usize = 1024;
const QUESTIONS_AN_ITEM: usize = 16;

/// What the component is doing.
pub(crate) enum Phase<'a> {
    Check,
    Serialize,
    /// With what it may have opened.
    Retrieve(HeaderGate<'a>),
}

pub(crate) struct HostCalls<'a> {
    phase: Phase<'a>,
    grants: &'a Grants,
    sealer: &'a mut Sealer,
    /// The file that each secret is for, and its bytes.
    secrets: BTreeMap<SecretId, (&'a str, &'a Secret)>,
    recipients: &'a Recipients,
    questions: usize,
    /// The headers that were sealed, each with the file whose secret is under it, unless the component made that itself.
    sealed: BTreeMap<String, Option<&'a str>>,
    /// The recipients that each secret was sealed to.
    served: BTreeMap<SecretId, BTreeSet<&'a str>>,
    /// The secrets whose bytes were given out.
    read: BTreeSet<SecretId>,
}

impl<'a> HostCalls<'a> {
    pub(crate) fn new(
        phase: Phase<'a>,
        grants: &'a Grants,
        sealer: &'a mut Sealer,
        items: &'a [(String, Secret)],
        recipients: &'a Recipients,
    ) -> Self {
        let numbered = (0..).map(SecretId).zip(items.iter().map(|(name, secret)| (name.as_str(), secret)));
        let of_item = |(name, _): &(String, Secret)| {
            QUESTIONS_AN_ITEM * recipients.get(name).map_or(1, |of_file| of_file.len().max(1))
        };
        let openable = if let Phase::Retrieve(gate) = &phase { gate.size() } else { 0 };
        Self {
            phase,
            grants,
            sealer,
            secrets: numbered.collect(),
            recipients,
            questions: QUESTIONS + openable * QUESTIONS_AN_ITEM + items.iter().map(of_item).sum::<usize>(),
            sealed: BTreeMap::new(),
            served: BTreeMap::new(),
            read: BTreeSet::new(),
        }
    }

    /// Hashes of the headers that were sealed, in hex, each with the file whose secret is under it, and whether the component saw a
    /// secret.
    pub(crate) fn finish(self) -> (BTreeMap<String, Option<String>>, bool) {
        let saw_plaintext = !self.read.is_empty();
        (self.sealed.into_iter().map(|(header, file)| (header, file.map(str::to_owned))).collect(), saw_plaintext)
    }

    /// A file whose secret the component cannot have stored for all its recipients: it neither had it sealed to every one of them
    /// nor read it.
    pub(crate) fn neglected(&self) -> Option<&'a str> {
        self.secrets
            .iter()
            .find(|(id, (file, _))| !self.read.contains(id) && !self.served(**id, file))
            .map(|(_, (file, _))| *file)
    }

    fn served(&self, id: SecretId, file: &str) -> bool {
        let (Some(of_file), Some(served)) = (self.recipients.get(file), self.served.get(&id)) else { return false };
        of_file.iter().all(|one| served.contains(one.as_str()))
    }

    fn bytes(&mut self, id: SecretId) -> HostReply {
        if !self.grants.plaintext {
            return HostReply::Denied("it asked for the bytes of a secret without the grant `plaintext`".to_owned());
        }
        let opened = if let Phase::Retrieve(gate) = &self.phase { gate.opened(id) } else { None };
        let opened = opened.map(|opened| &opened.secret);
        match self.secrets.get(&id).map(|(_, secret)| *secret).or(opened) {
            Some(secret) => {
                self.read.insert(id);
                HostReply::Bytes(secret.clone())
            }
            None => unknown(),
        }
    }

    fn open(&mut self, file: &[u8]) -> HostReply {
        let saw_plaintext = !self.read.is_empty();
        match &mut self.phase {
            Phase::Retrieve(gate) => gate.open(file, self.grants, saw_plaintext),
            Phase::Check | Phase::Serialize => {
                HostReply::Denied("it asked the host to decrypt outside of `retrieve`".to_owned())
            }
        }
    }

    /// A plaintext that the component gives back: one that the host opened for it, or, with the grant `plaintext`, one that it
    /// decrypted itself. Without that grant it has stored none that the host does not open.
    pub(crate) fn given_back(&self, name: &str, value: PlaintextRef) -> Result<Secret, String> {
        let Phase::Retrieve(gate) = &self.phase else { return Err("it was asked for nothing".to_owned()) };
        match value {
            PlaintextRef::Kept(id) => {
                let opened = gate.opened(id);
                let opened = opened.ok_or_else(|| format!("it gave a handle for `{name}` that it does not have"))?;
                if !opened.files.contains(name) {
                    return Err(format!("it gave for `{name}` what was encrypted for another file"));
                }
                Ok(opened.secret.clone())
            }
            PlaintextRef::Made(secret) if self.grants.plaintext => Ok(secret),
            PlaintextRef::Made(_) => Err(format!("it made up `{name}` without the grant `plaintext`")),
        }
    }

    /// Everything that it had opened or asked to, and whether the component saw a secret.
    pub(crate) fn finish_retrieval(self) -> (Vec<DecryptAttempt>, bool) {
        let saw_plaintext = !self.read.is_empty();
        let openings = if let Phase::Retrieve(gate) = self.phase { gate.finish() } else { Vec::new() };
        (openings, saw_plaintext)
    }

    fn seal(&mut self, value: &PlaintextRef, recipients: &[String], armor: bool) -> HostReply {
        if !matches!(self.phase, Phase::Serialize) {
            return HostReply::Denied("it asked the host to encrypt outside of `serialize`".to_owned());
        }
        let (file, secret) = match value {
            PlaintextRef::Made(secret) => (None, secret),
            PlaintextRef::Kept(id) => match self.secrets.get(id) {
                Some((file, secret)) => (Some(*file), *secret),
                None => return unknown(),
            },
        };
        if let Some(stranger) = recipients.iter().find(|recipient| !self.reads(file, recipient)) {
            return HostReply::Denied(format!(
                "it asked the host to encrypt{} to `{}`, which `readers` did not give",
                file.map_or_else(String::new, |file| format!(" `{file}`")),
                escaped(stranger, 80),
            ));
        }
        let recipients = distinct(recipients);
        let Some(left) = self.questions.checked_sub(recipients.len().saturating_sub(1)) else { return too_many() };
        self.questions = left;
        match self.sealer.seal(secret.expose(), &recipients, armor) {
            Ok(sealed) => {
                self.sealed.insert(sealed.header_sha256, file);
                self.serve(value, file, &recipients);
                HostReply::Sealed(sealed.file)
            }
            Err(error) => HostReply::Failed(age_failure(FailureKind::Config, &error)),
        }
    }

    fn serve(&mut self, value: &PlaintextRef, file: Option<&str>, recipients: &[String]) {
        let (PlaintextRef::Kept(id), Some(file)) = (value, file) else { return };
        let Some(of_file) = self.recipients.get(file) else { return };
        let now = of_file.iter().filter(|one| recipients.contains(one)).map(String::as_str);
        self.served.entry(*id).or_default().extend(now);
    }

    /// A secret of a file goes to that file's recipients, one that the component made to any recipient of the instance.
    fn reads(&self, file: Option<&str>, recipient: &str) -> bool {
        match file {
            Some(file) => self.recipients.get(file).is_some_and(|of_file| of_file.contains(recipient)),
            None => self.recipients.iter().any(|(_, of_file)| of_file.contains(recipient)),
        }
    }
}

impl Host for HostCalls<'_> {
    fn answer(&mut self, ask: Ask) -> HostReply {
        let Some(left) = self.questions.checked_sub(1) else { return too_many() };
        self.questions = left;
        match ask {
            Ask::SecretBytes(id) => self.bytes(id),
            Ask::Seal { value, recipients, armor } => self.seal(&value, &recipients, armor),
            Ask::Open { file } => self.open(&file),
        }
    }
}

/// Each once, in their order: a recipient that is named again is work, and nothing else.
fn distinct(recipients: &[String]) -> Vec<String> {
    let mut seen = BTreeSet::new();
    recipients.iter().filter(|recipient| seen.insert(recipient.as_str())).cloned().collect()
}

fn too_many() -> HostReply {
    HostReply::Denied("it asked the host too many questions".to_owned())
}

fn unknown() -> HostReply {
    HostReply::Denied("it asked for a secret that this call does not have".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_recipient_of_a_seal_counts_and_counts_once() {
        let all: Vec<String> = (0..100).map(|_| age::x25519::Identity::generate().to_public().to_string()).collect();
        let items = [("f".to_owned(), Secret::new(b"x".to_vec()))];
        let declared = Recipients::from_iter([("f".parse().unwrap(), all.iter().cloned().collect())]);
        let (grants, mut sealer) = (Grants::default(), Sealer::default());
        let mut host_calls = HostCalls::new(Phase::Serialize, &grants, &mut sealer, &items, &declared);
        let allowed = host_calls.questions;
        assert_eq!(allowed, QUESTIONS + QUESTIONS_AN_ITEM * 100);
        let mut seal = |recipients: Vec<String>| {
            host_calls.answer(Ask::Seal { value: PlaintextRef::Kept(SecretId(0)), recipients, armor: false })
        };
        let HostReply::Sealed(file) = seal(vec![all[0].clone(); 100_000]) else { panic!("it was not sealed") };
        assert!(file.len() < 400, "{} bytes", file.len());
        for _ in 0..(allowed - 1) / 100 {
            assert!(matches!(seal(all.clone()), HostReply::Sealed(_)));
        }
        assert!(matches!(seal(all.clone()), HostReply::Denied(_)));
    }
}
