//! Secrets back from their entries: what was stored, opened with a person's keys, in memory only.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallError, FailureKind, Secret};
use artifacts_store::{Difference, Entry, Fingerprint, HeaderHash, Receipt, ReceiptState, Storage};
use artifacts_text::{Comparison, Explain, shell_word};

use crate::failure;
use crate::look::elsewhere::Storages;
use crate::look::hints;
use crate::look::survey::{Survey, SurveyedInstance};
use crate::tools::RetrieveCall;
use crate::tools::header_owners::{HeaderOwners, OwnHeaders};
use crate::tools::headers::{self, EntryHeaders};
use crate::tools::{Phase, Tools};

/// Files of one instance, as they were stored.
#[derive(Debug)]
pub struct RetrievedFiles {
    /// The files that were wanted, public ones too.
    pub files: BTreeMap<Name, Secret>,
    /// The entry that they come from: anyone who replaces it compares.
    pub fingerprint: Fingerprint,
}

/// Reads files of one instance back, all of them or none; see [`retrieve`].
///
/// # Errors
/// Why it cannot be read.
pub fn retrieve_one(tools: &mut Tools, instance: &Instance, files: Vec<Name>) -> Result<RetrievedFiles, Failure> {
    let mut done = retrieve(tools, &[(instance, files)]);
    done.remove(&instance.name).unwrap_or_else(|| Err(failure::for_instance(instance, "not read")))
}

/// Reads one file back; see [`retrieve`].
///
/// # Errors
/// Why it cannot be read.
pub fn retrieve_file(tools: &mut Tools, instance: &Instance, file: &Name) -> Result<Secret, Failure> {
    let mut read = retrieve_one(tools, instance, vec![file.clone()])?;
    read.files.remove(file).ok_or_else(|| failure::for_instance(instance, format!("`{file}` was not returned")))
}

/// Reads files of many instances back. Age plugins are asked once for all of them. What is not as its receipt says is not
/// opened, nor what is another instance's: a receipt is a claim of anyone who can write to the repository. The private keys are read
/// only when a secret file is wanted.
pub fn retrieve(
    tools: &mut Tools,
    wanted: &[(&Instance, Vec<Name>)],
) -> BTreeMap<InstanceName, Result<RetrievedFiles, Failure>> {
    let mut done = BTreeMap::new();
    let mut open = Vec::new();
    let mut owners = HeaderOwners::default();
    for (instance, files) in wanted {
        match Retrieval::begin(tools, &mut owners, instance, files) {
            Ok(reading) if reading.secrets.is_empty() => {
                done.insert(instance.name.clone(), Ok(reading.read));
            }
            Ok(reading) => open.push(reading),
            Err(failure) => {
                done.insert(instance.name.clone(), Err(failure));
            }
        }
    }
    // What plugins may open is gathered in one round and given out in the next. A backend that gives up at the first file that is
    // not opened takes a round for each.
    while !open.is_empty() {
        let mut waiting = Vec::new();
        for mut reading in open {
            tools.operator.phase(Phase::Decrypting { count: done.len(), total: wanted.len() });
            match reading.call(tools) {
                Ok(()) => {
                    done.insert(reading.instance.name.clone(), Ok(reading.read));
                }
                Err(RetrieveFailure { failure, recipients: Some(recipients) }) => {
                    let name = reading.instance.name.clone();
                    waiting.push((reading, Undecrypted { name, failure, recipients }));
                }
                Err(RetrieveFailure { failure, recipients: None }) => {
                    done.insert(reading.instance.name.clone(), Err(failure));
                }
            }
        }
        open = if ask_plugins(tools, &waiting) {
            waiting.into_iter().map(|(reading, _)| reading).collect()
        } else {
            let failed = no_identity(waiting.into_iter().map(|(_, one)| one).collect());
            done.extend(failed.into_iter().map(|(name, failure)| (name, Err(failure))));
            Vec::new()
        };
    }
    tools.identities.forget_decrypted();
    tools.operator.phase(Phase::Idle);
    done
}

/// One instance on its way.
struct Retrieval<'a> {
    instance: &'a Instance,
    backend: &'a Name,
    entry: Entry,
    /// The secret files that are wanted.
    secrets: Vec<String>,
    /// The headers that are its own.
    own: OwnHeaders,
    read: RetrievedFiles,
}

/// Why nothing was read.
struct RetrieveFailure {
    failure: Failure,
    /// Whose identity decrypts it, where none of those at hand does.
    recipients: Option<BTreeSet<String>>,
}

impl From<Failure> for RetrieveFailure {
    fn from(failure: Failure) -> Self {
        Self { failure, recipients: None }
    }
}

/// What no identity at hand decrypts.
struct Undecrypted {
    name: InstanceName,
    failure: Failure,
    /// Whose identity does.
    recipients: BTreeSet<String>,
}

impl<'a> Retrieval<'a> {
    /// Looks at the entry, and takes the public files.
    fn begin(
        tools: &mut Tools,
        owners: &mut HeaderOwners,
        instance: &'a Instance,
        wanted: &[Name],
    ) -> Result<Self, Failure> {
        let fail = |message: String| failure::for_instance(instance, message);
        let backend = instance.artifact.backend.as_ref().filter(|_| !instance.artifact.blocked);
        let backend = backend.ok_or_else(|| fail("cannot be evaluated yet".to_owned()))?;
        if let Some(stranger) = wanted.iter().find(|name| !instance.artifact.files.contains_key(*name)) {
            let known: Vec<&str> = instance.artifact.files.keys().map(Name::as_str).collect();
            return Err(fail(format!("no file `{stranger}`; its files: {}", known.join(", "))));
        }
        let opened = tools.backends.open(backend)?;
        if !opened.is_here() {
            return Err(failure::on_target(instance));
        }
        let failed = |error: artifacts_store::Error| fail(error.to_string()).hint(error.hint());
        let entry = Storage::open(&tools.root, &opened.storage).and_then(|storage| storage.read(&instance.name));
        let storage = opened.storage.clone();
        let Some(entry) = entry.map_err(failed)? else { return Err(not_in(tools, &storage, instance)) };
        let listed =
            listed_headers(instance, backend, &entry).map_err(|failure| hints::with_hint(tools, instance, failure))?;
        let (public, secrets): (Vec<&Name>, Vec<&Name>) =
            wanted.iter().partition(|name| instance.artifact.files.get(*name).is_some_and(|file| !file.secret));
        let mut files = BTreeMap::new();
        for name in public {
            let bytes =
                entry.public.get(name.as_str()).ok_or_else(|| fail(format!("`public/{name}` does not exist")))?;
            files.insert(name.clone(), Secret::new(bytes.clone()));
        }
        if let Some(missing) = never_stored(&entry, &secrets) {
            let name = failure::quoted_name(&instance.name);
            let file = shell_word(missing.as_str());
            return Err(fail(format!("`{missing}` is declared but not stored"))
                .hint(Some(format!("`artifacts set {name} {file}` stores it, and keeps the other files"))));
        }
        let own = if secrets.is_empty() { OwnHeaders::default() } else { owners.check(tools, instance, &listed)? };
        let secrets = secrets.into_iter().map(ToString::to_string).collect();
        let read = RetrievedFiles { files, fingerprint: entry.fingerprint() };
        Ok(Self { instance, backend, entry, secrets, own, read })
    }

    /// Has the backend read the secret files.
    #[allow(clippy::result_large_err, reason = "a failed call is reported completely, and is not on a hot path")]
    fn call(&mut self, tools: &mut Tools) -> Result<(), RetrieveFailure> {
        let Self { instance, backend, entry, secrets, own, read } = self;
        let Some((mut session, identities)) = tools.session_and_identities(backend)? else {
            return Err(failure::for_instance(instance, "its backend does not run here").into());
        };
        let bundled = session.terms().bundled;
        let (names, openable) = (secrets.as_slice(), &own.openable);
        let call =
            RetrieveCall { instance: instance.for_backend.clone(), files: &entry.files, names, openable, identities };
        let ended = session.retrieve(instance.name.to_string(), call)?;
        let retrieved = ended.map_err(|stopped| {
            let is_unopened =
                matches!(&stopped.error, CallError::Failed(failure) if failure.kind == FailureKind::NoIdentity);
            let failure = match &stopped.error {
                _ if stopped.saw_plaintext && !bundled => failure::for_instance(instance, failure::UNSHOWN),
                CallError::Failed(said) if is_unopened => undecrypted(instance, &said.message).hint(said.hint.clone()),
                error => {
                    let (why, hint) = failure::explain_call(error);
                    failure::for_instance(instance, why).hint(hint)
                }
            };
            let recipients = || match &entry.receipt {
                ReceiptState::Valid(receipt) => recipients_of(tools, receipt, secrets),
                ReceiptState::Missing | ReceiptState::Malformed(_) => BTreeSet::new(),
            };
            RetrieveFailure { failure, recipients: is_unopened.then(recipients) }
        })?;
        let opened = retrieved.openings.into_iter().filter(|opening| opening.error.is_none());
        let opened: BTreeSet<HeaderHash> = opened.filter_map(|opening| opening.header).collect();
        tools.headers.learn(instance, &only(&own.unknown, &opened))?;
        for (name, secret) in retrieved.secrets {
            let name = Name::new(name).map_err(|error| failure::for_instance(instance, error.to_string()))?;
            read.files.insert(name, secret);
        }
        Ok(())
    }
}

/// Why nothing is read: it is stored nowhere, or in another storage.
fn not_in(tools: &Tools, storage: &str, instance: &Instance) -> Failure {
    let elsewhere = Storages::readable(tools).besides(storage, instance).into_iter().next();
    elsewhere.map_or_else(|| failure::absent(instance), |(place, _)| failure::elsewhere(instance, &place))
}

/// Has age plugins asked for what is waiting; false when nothing came of it.
fn ask_plugins(tools: &mut Tools, waiting: &[(Retrieval<'_>, Undecrypted)]) -> bool {
    let Some((first, _)) = waiting.first() else { return false };
    if !tools.identities.is_left_for_plugins() {
        return false;
    }
    let Ok(Some((mut session, identities))) = tools.session_and_identities(first.backend) else { return false };
    let names: Vec<String> = waiting.iter().map(|(_, one)| one.name.to_string()).collect();
    session.ask_plugins(&names, identities).unwrap_or(false)
}

/// Why the secrets of these cannot be decrypted, as far as can be determined without decrypting: there is no identity at all.
pub(crate) fn without_identity<'a>(
    tools: &mut Tools,
    survey: &Survey,
    instances: impl Iterator<Item = &'a Instance>,
) -> BTreeMap<InstanceName, Failure> {
    let failed = |instance: &Instance| unidentified(tools, instance, survey.found.get(&instance.name)?);
    no_identity(instances.filter_map(failed).collect()).into_iter().collect()
}

fn unidentified(tools: &mut Tools, instance: &Instance, found: &SurveyedInstance) -> Option<Undecrypted> {
    let name = instance.name.clone();
    let secrets: Vec<String> = found.stored_files(instance).map(ToString::to_string).collect();
    let opened = tools.backends.open(instance.artifact.backend.as_ref()?).ok()?;
    if secrets.is_empty() || !opened.terms.grants.identities {
        return None;
    }
    let why = match tools.identities.absence() {
        Ok(absence) => absence?,
        Err(failure) => return Some(Undecrypted { name, failure, recipients: BTreeSet::new() }),
    };
    let recipients = found.receipt.as_ref().map(|receipt| recipients_of(tools, receipt, &secrets)).unwrap_or_default();
    Some(Undecrypted { name, failure: undecrypted(instance, &why.to_string()).hint(why.hint()), recipients })
}

/// A failure of what no identity decrypts. Behind its first part the sentence lists what was tried.
fn undecrypted(instance: &Instance, why: &str) -> Failure {
    let (what, found) = why.split_once("; ").map_or((why, None), |(what, found)| (what, Some(found.to_owned())));
    failure::for_instance(instance, what).compared(Comparison { found, expected: None })
}

/// So many recipients are named.
const NAMED: usize = 5;

/// Says of each whose identity is expected. Where one decrypts all of them, only such are named: then it is one and the same failure.
fn no_identity(all: Vec<Undecrypted>) -> Vec<(InstanceName, Failure)> {
    let of_all = all.iter().map(|one| one.recipients.clone()).reduce(|one, other| &one & &other).unwrap_or_default();
    let failed = |Undecrypted { name, mut failure, recipients }: Undecrypted| {
        failure.details.comparison.expected = expected(if of_all.is_empty() { recipients } else { of_all.clone() });
        (name, failure)
    };
    all.into_iter().map(failed).collect()
}

/// An identity of one of these.
fn expected(recipients: BTreeSet<String>) -> Option<String> {
    let more = recipients.len().saturating_sub(NAMED);
    let mut names: Vec<String> = recipients.into_iter().take(NAMED).collect();
    let last = if more > 0 { Some(format!("{more} more")) } else { names.pop() };
    let last = last?;
    let who = if names.is_empty() { last } else { format!("{} or {last}", names.join(", ")) };
    Some(format!("an identity of {who}"))
}

/// Whose identity decrypts these files by the receipt, to be said after a failure. It is a claim, and no reason to trust anyone.
fn recipients_of(tools: &Tools, receipt: &Receipt, secrets: &[String]) -> BTreeSet<String> {
    let wanted = receipt.recipients.iter().filter(|(name, _)| secrets.iter().any(|secret| secret == name.as_str()));
    let keys: BTreeSet<&String> = wanted.flat_map(|(_, recipients)| recipients).collect();
    keys.into_iter().map(|key| tools.keys.name(key, receipt.labels.get(key))).collect()
}

/// A file that was not declared yet when the entry was stored. A backend that names no recipients at all tells nothing of that.
fn never_stored<'a>(entry: &Entry, secrets: &[&'a Name]) -> Option<&'a Name> {
    let ReceiptState::Valid(receipt) = &entry.receipt else { return None };
    let new = |name: &&&Name| !receipt.recipients.is_empty() && !receipt.recipients.contains(name.as_str());
    secrets.iter().find(new).copied()
}

/// These of the headers.
fn only(entry: &EntryHeaders, opened: &BTreeSet<HeaderHash>) -> EntryHeaders {
    let mut entry = entry.clone();
    for headers in entry.values_mut() {
        headers.retain(|header, _| opened.contains(header));
    }
    entry.retain(|_, headers| !headers.is_empty());
    entry
}

/// The headers in an entry that its receipt lists: only where that tells every byte of it.
fn listed_headers(instance: &Instance, backend: &Name, entry: &Entry) -> Result<EntryHeaders, Failure> {
    let ReceiptState::Valid(receipt) = &entry.receipt else { return Err(changed(instance, &entry.differences())) };
    // Files that no receipt lists are not read, and keep no one from reading what it lists.
    if !entry.is_intact() {
        let mut differences = entry.differences();
        differences.retain(|one| !matches!(one, Difference::Extra(_)));
        return Err(changed(instance, &differences));
    }
    if receipt.backend.name != *backend {
        return Err(failure::other_backend(instance, &receipt.backend.name, backend));
    }
    Ok(headers::listed(instance, receipt, &entry.files))
}

fn changed(instance: &Instance, differences: &[Difference]) -> Failure {
    let list: Vec<String> = differences.iter().map(ToString::to_string).collect();
    failure::differs(instance, &list.join(", "))
}
