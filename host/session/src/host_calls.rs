//! The host's side of one call: it holds the secrets, and gives out only what the grants and the recipients allow.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_age::{Sealer, header_hash};
use artifacts_declared::Recipients;
use artifacts_seam::{Ask, BackendFailure, FailureKind, HostReply, PlaintextRef, Secret, SecretId};

use crate::DecryptAttempt;
use crate::age_failure::age_failure;
use crate::connection::Host;
use crate::decrypt::{Decrypted, HeaderGate};
use crate::new_headers::SealedHeaders;
use artifacts_contract::Grants;
use artifacts_seam::escaped;

/// Questions that one call may ask, besides some for each item and recipient. Each recipient of a seal is one.
const QUESTIONS: usize = 1024;
const QUESTIONS_AN_ITEM: usize = 16;
/// The values in the files of one answer may have so many bytes together: each file has the value for itself.
const SEALED_AT_ONCE: usize = 64 << 20;

/// What the component is doing.
pub(crate) enum Phase<'a> {
    Check,
    /// With what was decrypted of the entry that is written again.
    Serialize(&'a Decrypted),
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
    /// Behind the secrets: those that were decrypted before, in the order in which they were asked for.
    again: Vec<&'a Secret>,
    questions: usize,
    sealed: SealedHeaders,
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
            again: Vec::new(),
            questions: QUESTIONS + openable * QUESTIONS_AN_ITEM + items.iter().map(of_item).sum::<usize>(),
            sealed: SealedHeaders::default(),
            read: BTreeSet::new(),
        }
    }

    /// The files whose plaintext the component did not take: all that it can have stored of them was sealed by the host.
    pub(crate) fn unread(&self) -> Vec<&'a str> {
        let unread = self.secrets.iter().filter(|(id, _)| !self.read.contains(id));
        unread.map(|(_, (file, _))| *file).collect()
    }

    /// The headers that were sealed, and whether the component saw a secret.
    pub(crate) fn finish(self) -> (SealedHeaders, bool) {
        (self.sealed, !self.read.is_empty())
    }

    fn bytes(&mut self, id: SecretId) -> HostReply {
        if !self.grants.plaintext {
            return HostReply::Denied("it requested plaintext without the grant `plaintext`".to_owned());
        }
        let opened = match &self.phase {
            Phase::Retrieve(gate) => gate.opened(id).map(|opened| &opened.secret),
            Phase::Check | Phase::Serialize(_) => self.opened_again(id),
        };
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
            Phase::Serialize(decrypted) if self.grants.identities && self.grants.plaintext => {
                let decrypted: &'a Decrypted = decrypted;
                match header_hash(file).ok().and_then(|header| decrypted.get(&header)) {
                    Some(secret) => self.open_again(secret),
                    None => HostReply::Failed(self.no_identity()),
                }
            }
            Phase::Check | Phase::Serialize(_) => {
                HostReply::Denied("it tried to decrypt outside of `retrieve`".to_owned())
            }
        }
    }

    /// Gives a handle of what was decrypted when the entry was read. No identity is used.
    fn open_again(&mut self, secret: &'a Secret) -> HostReply {
        let Ok(id) = u32::try_from(self.secrets.len() + self.again.len()) else { return unknown() };
        self.again.push(secret);
        HostReply::Opened { secret: SecretId(id), size: secret.size() }
    }

    fn opened_again(&self, SecretId(number): SecretId) -> Option<&'a Secret> {
        let behind = usize::try_from(number).ok()?.checked_sub(self.secrets.len())?;
        self.again.get(behind).copied()
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

    /// Why no identity decrypts what the component asked for, in the host's words.
    pub(crate) fn no_identity(&self) -> BackendFailure {
        let said = if let Phase::Retrieve(gate) = &self.phase { gate.no_identity() } else { None };
        let unasked = || BackendFailure {
            kind: FailureKind::NoIdentity,
            message: "no identity can decrypt it".to_owned(),
            hint: None,
        };
        said.cloned().unwrap_or_else(unasked)
    }

    /// Everything that it had opened or asked to, what came of it if the component may see that, and whether it saw a secret.
    pub(crate) fn finish_retrieval(self) -> (Vec<DecryptAttempt>, Decrypted, bool) {
        let saw_plaintext = !self.read.is_empty();
        let (openings, mut decrypted) =
            if let Phase::Retrieve(gate) = self.phase { gate.finish() } else { Default::default() };
        decrypted.retain(|_, _| self.grants.plaintext);
        (openings, decrypted, saw_plaintext)
    }

    /// Encrypts a value for files, an age file for each group of readers.
    fn seal(
        &mut self,
        files: &[String],
        value: &PlaintextRef,
        readers: impl FnOnce(&BTreeSet<String>) -> Result<Vec<Readers>, String>,
        armor: bool,
    ) -> Result<Vec<Vec<u8>>, HostReply> {
        let allowed = self.may_seal(files, value).and_then(|secret| Ok((secret, readers(self.readers(files)?)?)));
        let (secret, readers) = allowed.map_err(HostReply::Denied)?;
        if readers.len() > 1 && secret.expose().len().saturating_mul(readers.len()) > SEALED_AT_ONCE {
            let most = artifacts_text::size(SEALED_AT_ONCE as u64);
            return Err(HostReply::Denied(format!("it tried to encrypt more than {most} in one call")));
        }
        let recipients: usize = readers.iter().map(|readers| readers.recipients.len()).sum();
        self.questions = self.questions.checked_sub(recipients.saturating_sub(1)).ok_or_else(too_many)?;
        let mut sealed = Vec::with_capacity(readers.len());
        for Readers { recipients, keys } in readers {
            let one = self.sealer.seal(secret.expose(), &keys, armor);
            let one = one.map_err(|error| HostReply::Failed(age_failure(FailureKind::Config, &error)))?;
            self.sealed.add(one.header_hash, files.to_vec(), recipients);
            sealed.push(one.file);
        }
        Ok(sealed)
    }

    fn seal_to_all(&mut self, files: &[String], value: &PlaintextRef, armor: bool) -> HostReply {
        let all = |recipients: &BTreeSet<String>| Ok(vec![Readers::all(recipients)]);
        let sealed = self.seal(files, value, all, armor);
        sealed.map_or_else(|reply| reply, |mut sealed| HostReply::Sealed(sealed.pop().unwrap_or_default()))
    }

    fn seal_each(&mut self, files: &[String], value: &PlaintextRef, to: Vec<String>, armor: bool) -> HostReply {
        let each = |recipients: &BTreeSet<String>| {
            to.into_iter().map(|key| Readers::one(files, recipients, key)).collect::<Result<Vec<_>, _>>()
        };
        self.seal(files, value, each, armor).map_or_else(|reply| reply, HostReply::SealedEach)
    }

    /// The plaintext, if it may be sealed for these files.
    fn may_seal<'v>(&self, files: &[String], value: &'v PlaintextRef) -> Result<&'v Secret, String>
    where
        'a: 'v,
    {
        if !matches!(self.phase, Phase::Serialize(_)) {
            return Err("it tried to encrypt outside of `serialize`".to_owned());
        }
        match value {
            PlaintextRef::Kept(id) => {
                let (own, secret) = self.secrets.get(id).ok_or(UNKNOWN)?;
                if files.iter().ne([own]) {
                    return Err(format!("it tried to encrypt `{own}` as another file"));
                }
                Ok(secret)
            }
            PlaintextRef::Made(secret) if self.grants.plaintext => Ok(secret),
            PlaintextRef::Made(_) => {
                Err("it tried to encrypt bytes of its own without the grant `plaintext`".to_owned())
            }
        }
    }

    /// To whom these files are encrypted.
    fn readers(&self, files: &[String]) -> Result<&'a BTreeSet<String>, String> {
        let (first, others) = files.split_first().ok_or("it tried to encrypt for no file")?;
        let undeclared = |file: &String| format!("it tried to encrypt for `{}`, which is not declared", shown(file));
        let recipients = self.recipients.get(first).ok_or_else(|| undeclared(first))?;
        for other in others {
            if self.recipients.get(other).ok_or_else(|| undeclared(other))? != recipients {
                let (first, other) = (shown(first), shown(other));
                return Err(format!(
                    "it tried to encrypt for `{first}` and `{other}` at once, which have different recipients"
                ));
            }
        }
        Ok(recipients)
    }
}

fn shown(file: &str) -> String {
    escaped(file, 200)
}

/// To whom something is encrypted: the recipients that the component gave, and the keys in the header.
struct Readers {
    recipients: Vec<String>,
    keys: Vec<String>,
}

impl Readers {
    fn all(recipients: &BTreeSet<String>) -> Self {
        let recipients: Vec<String> = recipients.iter().cloned().collect();
        Self { keys: recipients.clone(), recipients }
    }

    /// One of the recipients of these files, by key.
    fn one(files: &[String], recipients: &BTreeSet<String>, key: String) -> Result<Self, String> {
        let recipient = among(recipients, &key).ok_or_else(|| {
            let (file, key) = (files.first().map(|file| shown(file)).unwrap_or_default(), escaped(&key, 80));
            format!("it tried to encrypt `{file}` to `{key}`, which `recipients` did not return")
        })?;
        Ok(Self { keys: vec![key], recipients: vec![recipient] })
    }
}

/// Which of these recipients a key is: itself, or that which it is converted to. Who has the private key of an SSH key has that of the
/// converted one, so that both are one recipient, and by the host's own conversion only.
fn among(recipients: &BTreeSet<String>, key: &str) -> Option<String> {
    if recipients.contains(key) {
        return Some(key.to_owned());
    }
    artifacts_age::recipient_of_ssh(key).filter(|converted| recipients.contains(converted))
}

impl Host for HostCalls<'_> {
    fn answer(&mut self, ask: Ask) -> HostReply {
        let Some(left) = self.questions.checked_sub(1) else { return too_many() };
        self.questions = left;
        match ask {
            Ask::SecretBytes(id) => self.bytes(id),
            Ask::Seal { files, value, armor } => self.seal_to_all(&files, &value, armor),
            Ask::SealEach { files, value, to, armor } => self.seal_each(&files, &value, to, armor),
            Ask::Open { file } => self.open(&file),
        }
    }
}

fn too_many() -> HostReply {
    HostReply::Denied("it exceeded the limit of calls to the host".to_owned())
}

const UNKNOWN: &str = "it requested a secret that this call does not have";

fn unknown() -> HostReply {
    HostReply::Denied(UNKNOWN.to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn keys(count: usize) -> Vec<String> {
        (0..count).map(|_| age::x25519::Identity::generate().to_public().to_string()).collect()
    }

    fn names(files: &[&str]) -> Vec<String> {
        files.iter().map(ToString::to_string).collect()
    }

    fn seal(files: &[&str], value: PlaintextRef) -> Ask {
        Ask::Seal { files: names(files), value, armor: false }
    }

    fn seal_each(files: &[&str], value: PlaintextRef, to: &[&str]) -> Ask {
        Ask::SealEach { files: names(files), value, to: names(to), armor: false }
    }

    #[test]
    fn each_recipient_of_a_seal_counts() {
        let all = keys(100);
        let items = [("f".to_owned(), Secret::new(b"x".to_vec()))];
        let declared = Recipients::from_iter([("f".parse().unwrap(), all.iter().cloned().collect())]);
        let (nothing, grants, mut sealer) = (Decrypted::new(), Grants::default(), Sealer::default());
        let mut host_calls = HostCalls::new(Phase::Serialize(&nothing), &grants, &mut sealer, &items, &declared);
        let allowed = host_calls.questions;
        assert_eq!(allowed, QUESTIONS + QUESTIONS_AN_ITEM * 100);
        let value = || PlaintextRef::Kept(SecretId(0));
        let three: Vec<&str> = all[..3].iter().map(String::as_str).collect();
        let HostReply::SealedEach(files) = host_calls.answer(seal_each(&["f"], value(), &three)) else {
            panic!("it was not sealed")
        };
        assert!(files.len() == 3 && files.iter().all(|file| file.len() < 400), "{files:?}");
        assert_eq!(host_calls.questions, allowed - 3);
        for _ in 0..(allowed - 3) / 100 {
            assert!(matches!(host_calls.answer(seal(&["f"], value())), HostReply::Sealed(_)));
        }
        assert!(matches!(host_calls.answer(seal(&["f"], value())), HostReply::Denied(_)));
    }

    #[test]
    fn one_answer_has_no_more_than_a_frame_holds() {
        let all = keys(3);
        let items = [("f".to_owned(), Secret::new(vec![0; SEALED_AT_ONCE / 2]))];
        let declared = Recipients::from_iter([("f".parse().unwrap(), all.iter().cloned().collect())]);
        let (nothing, grants, mut sealer) = (Decrypted::new(), Grants::default(), Sealer::default());
        let mut host_calls = HostCalls::new(Phase::Serialize(&nothing), &grants, &mut sealer, &items, &declared);
        let to: Vec<&str> = all.iter().map(String::as_str).collect();
        let mut answer = |to| host_calls.answer(seal_each(&["f"], PlaintextRef::Kept(SecretId(0)), to));
        assert!(matches!(answer(&to[..2]), HostReply::SealedEach(files) if files.len() == 2));
        assert!(matches!(answer(&to), HostReply::Denied(why) if why.contains("64 MiB")));
        assert!(matches!(answer(&[]), HostReply::SealedEach(files) if files.is_empty()));
    }

    #[test]
    fn a_secret_is_sealed_as_its_own_file_and_to_its_own_recipients_only() {
        let keys = keys(2);
        let items = [("a".to_owned(), Secret::new(b"x".to_vec())), ("b".to_owned(), Secret::new(b"y".to_vec()))];
        let of = |file: &str, keys: &[String]| (file.parse().unwrap(), keys.iter().cloned().collect());
        let declared = Recipients::from_iter([of("a", &keys), of("b", &keys[..1]), of("c", &keys)]);
        let made = || PlaintextRef::Made(Secret::new(b"key".to_vec()));
        let a = PlaintextRef::Kept(SecretId(0));
        let one = |at: usize| vec![keys[at].clone()];
        for (plaintext, files, value, to, sealed) in [
            (false, &["a"][..], a.clone(), None, true),
            (false, &["a"], a.clone(), Some(one(1)), true),
            (false, &["a"], a.clone(), Some(keys.clone()), true),
            (false, &["b"], a.clone(), None, false),
            (true, &["b"], a.clone(), None, false),
            (true, &["b"], a.clone(), Some(one(0)), false),
            (false, &["a", "c"], a.clone(), None, false),
            (false, &[], a, None, false),
            (false, &["b"], PlaintextRef::Kept(SecretId(1)), Some(one(1)), false),
            (false, &["b"], PlaintextRef::Kept(SecretId(1)), Some(keys.clone()), false),
            (false, &["a"], PlaintextRef::Kept(SecretId(2)), None, false),
            (false, &["a"], made(), None, false),
            (false, &["a"], made(), Some(one(0)), false),
            (true, &["a"], made(), None, true),
            (true, &["a", "c"], made(), Some(one(0)), true),
            (true, &["a", "b"], made(), None, false),
            (true, &["d"], made(), None, false),
            (true, &[], made(), None, false),
            (true, &[], made(), Some(Vec::new()), false),
        ] {
            let (nothing, grants, mut sealer) =
                (Decrypted::new(), Grants { plaintext, ..Grants::default() }, Sealer::default());
            let mut host_calls = HostCalls::new(Phase::Serialize(&nothing), &grants, &mut sealer, &items, &declared);
            let case = format!("{plaintext} {files:?} {value:?} {to:?}");
            let ask = match to {
                None => seal(files, value),
                Some(to) => Ask::SealEach { files: names(files), value, to, armor: false },
            };
            match host_calls.answer(ask) {
                HostReply::Sealed(_) | HostReply::SealedEach(_) => assert!(sealed, "{case}"),
                answer => assert!(!sealed && matches!(answer, HostReply::Denied(_)), "{case}: {answer:?}"),
            }
        }
    }

    #[test]
    fn while_serializing_only_what_was_decrypted_before_is_given_again() {
        let key = keys(1);
        let sealed = |text: &[u8]| Sealer::default().seal(text, &key, true).unwrap();
        let (known, unknown) = (sealed(b"data key"), sealed(b"another"));
        let decrypted = Decrypted::from([(known.header_hash, Secret::new(b"data key".to_vec()))]);
        let items = [("a".to_owned(), Secret::new(b"x".to_vec()))];
        let recipients = Recipients::from_iter([("a".parse().unwrap(), key.iter().cloned().collect())]);
        for (identities, plaintext, given) in [(true, true, true), (true, false, false), (false, true, false)] {
            let (grants, mut host) = (Grants { identities, plaintext }, Sealer::default());
            let mut calls = HostCalls::new(Phase::Serialize(&decrypted), &grants, &mut host, &items, &recipients);
            let answer = calls.answer(Ask::Open { file: known.file.clone() });
            let HostReply::Opened { secret, size: 8 } = answer else {
                assert!(!given && matches!(answer, HostReply::Denied(_)), "{answer:?}");
                continue;
            };
            assert!(given && secret == SecretId(1));
            let HostReply::Bytes(bytes) = calls.answer(Ask::SecretBytes(secret)) else { panic!("no bytes") };
            assert_eq!(bytes.expose(), b"data key");
            let other = calls.answer(Ask::Open { file: unknown.file.clone() });
            assert!(matches!(other, HostReply::Failed(failure) if failure.kind == FailureKind::NoIdentity));
            // It is sealed under no declared file's name.
            let sealing = calls.answer(seal(&["a"], PlaintextRef::Kept(secret)));
            assert!(matches!(sealing, HostReply::Denied(_)), "{sealing:?}");
        }
    }

    #[test]
    fn both_forms_of_an_ssh_key_are_one_recipient_by_the_conversion_of_the_host() {
        const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOKp8XPqV+YrDnPKy7nK8Nl+gf47zDJPL/yz7O8RT+go";
        const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINqEQ74chaQpRW2tpLDVdr5yIdco+G1mRv6YBAZuR0RS";
        let converted = artifacts_age::recipient_of_ssh(HOST).unwrap();
        let secret = Secret::new(b"x".to_vec());
        let items = [("a".to_owned(), secret)];
        for (declared, key, is_sealed) in [
            (&*converted, HOST, true),
            (&converted, &converted, true),
            (HOST, HOST, true),
            (&converted, OTHER, false),
            // What is declared as an SSH key is not read by a program that only knows the converted one.
            (HOST, &converted, false),
        ] {
            let recipients = Recipients::from_iter([("a".parse().unwrap(), [declared.to_owned()].into())]);
            let (nothing, grants, mut sealer) = (Decrypted::new(), Grants::default(), Sealer::default());
            let mut host_calls = HostCalls::new(Phase::Serialize(&nothing), &grants, &mut sealer, &items, &recipients);
            let answer = host_calls.answer(seal_each(&["a"], PlaintextRef::Kept(SecretId(0)), &[key]));
            let HostReply::SealedEach(mut files) = answer else {
                assert!(!is_sealed && matches!(answer, HostReply::Denied(_)), "{declared} {key}: {answer:?}");
                continue;
            };
            let file = files.pop().unwrap();
            assert!(is_sealed, "{declared} {key}");
            // It counts as the recipient that is declared.
            let after = [("a.age".to_owned(), file)].into();
            let stored = crate::new_headers::stored_headers(&after);
            let (written, _) = host_calls.finish();
            assert_eq!(written.fault(&BTreeMap::new(), &after, &stored, &["a"], &recipients), None);
        }
    }
}
