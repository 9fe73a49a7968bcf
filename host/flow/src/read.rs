//! Secrets back from their entries: what was stored, opened with a person's keys, in memory only.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::Instance;
use artifacts_report::Failure;
use artifacts_seam::{CallError, FailureKind, Secret};
use artifacts_session::{CallFailed, Retrieved};
use artifacts_store::{Fingerprint, HeaderHash, Receipt};
use artifacts_text::{Comparison, Explain, shell_word};

use crate::failure;
use crate::look::elsewhere::Storages;
use crate::look::hints;
use crate::look::source::{Source, StoredValue};
use crate::look::survey::{Survey, SurveyedInstance};
use crate::tools::header_owners::{HeaderOwners, OwnHeaders};
use crate::tools::headers::EntryHeaders;
use crate::tools::{Decrypted, Phase, RetrieveCall, Tools};

/// Files of one instance, as they were stored.
#[derive(Debug)]
pub struct RetrievedFiles {
    /// The files that were wanted, public ones too.
    pub files: BTreeMap<Name, Secret>,
    /// The entry that they come from: anyone who replaces it compares. None of what was written just now.
    pub fingerprint: Option<Fingerprint>,
    /// What was decrypted for that.
    pub decrypted: Decrypted,
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

/// Reads files of many instances back, each from where its declared backend stores it. What is not as its receipt says is not
/// opened, nor what is another instance's: a receipt is a claim of anyone who can write to the repository. The private keys are read
/// only when a secret file is wanted.
pub fn retrieve(
    tools: &mut Tools,
    wanted: &[(&Instance, Vec<Name>)],
) -> BTreeMap<InstanceName, Result<RetrievedFiles, Failure>> {
    let wanted = wanted.iter().map(|(instance, files)| {
        let value = declared_value(tools, instance, files);
        (instance.name.clone(), value.map(|value| (value, files.clone())))
    });
    let wanted = wanted.collect();
    retrieve_values(tools, wanted)
}

/// Files to read of a value, or why there is none.
pub(crate) type WantedValue = Result<(StoredValue, Vec<Name>), Failure>;

/// Reads files of values, each through the backend that stored it. Age plugins are asked once for all of them.
pub(crate) fn retrieve_values(
    tools: &mut Tools,
    wanted: Vec<(InstanceName, WantedValue)>,
) -> BTreeMap<InstanceName, Result<RetrievedFiles, Failure>> {
    let (mut done, total) = (BTreeMap::new(), wanted.len());
    let mut open = Vec::new();
    let mut owners = HeaderOwners::default();
    for (name, value) in wanted {
        let begun = value.and_then(|(value, files)| Retrieval::begin(tools, &mut owners, value, &files));
        match begun {
            Ok(reading) if reading.secrets.is_empty() => drop(done.insert(name, Ok(reading.read))),
            Ok(reading) => open.push((name, reading)),
            Err(failure) => drop(done.insert(name, Err(failure))),
        }
    }
    // What plugins may open is gathered in one round and given out in the next. A backend that gives up at the first file that is
    // not opened takes a round for each.
    while !open.is_empty() {
        let mut waiting = Vec::new();
        for (name, mut reading, ended) in call(tools, open, (done.len(), total)) {
            match ended.and_then(|retrieved| reading.take(tools, retrieved)) {
                Ok(()) => drop(done.insert(name, Ok(reading.read))),
                Err(RetrieveFailure { failure, recipients: Some(recipients) }) => {
                    waiting.push((reading, Undecrypted { name, failure, recipients }));
                }
                Err(RetrieveFailure { failure, recipients: None }) => drop(done.insert(name, Err(failure))),
            }
        }
        open = if ask_plugins(tools, &waiting) {
            waiting.into_iter().map(|(reading, one)| (one.name, reading)).collect()
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

/// The value of an instance as its declared backend has stored it.
fn declared_value(tools: &mut Tools, instance: &Instance, wanted: &[Name]) -> Result<StoredValue, Failure> {
    let fail = |message: String| failure::for_instance(instance, message);
    let backend = instance.artifact.backend.as_ref().filter(|_| !instance.artifact.blocked);
    let backend = backend.ok_or_else(|| fail("cannot be evaluated yet".to_owned()))?;
    if let Some(stranger) = wanted.iter().find(|name| !instance.artifact.files.contains_key(*name)) {
        let known: Vec<&str> = instance.artifact.files.keys().map(Name::as_str).collect();
        return Err(fail(format!("no file `{stranger}`; its files: {}", known.join(", "))));
    }
    if !tools.backends.open(backend)?.is_here() {
        return Err(failure::on_target(instance));
    }
    let source = Source::own(tools, instance)?;
    let value = source.read(&tools.root, instance).map_err(|failure| hints::with_hint(tools, instance, failure))?;
    let value = value.ok_or_else(|| not_in(tools, &source.storage, instance))?;
    if value.backend == *backend { Ok(value) } else { Err(failure::other_backend(instance, &value.backend, backend)) }
}

/// One value on its way.
struct Retrieval {
    value: StoredValue,
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

impl Retrieval {
    /// Takes the public files, and checks that the others may be opened.
    fn begin(
        tools: &mut Tools,
        owners: &mut HeaderOwners,
        value: StoredValue,
        wanted: &[Name],
    ) -> Result<Self, Failure> {
        let instance = &value.instance;
        let fail = |message: String| failure::for_instance(instance, message);
        let (public, secrets): (Vec<&Name>, Vec<&Name>) =
            wanted.iter().partition(|name| instance.artifact.files.get(*name).is_some_and(|file| !file.secret));
        let mut files = BTreeMap::new();
        for name in public {
            let bytes =
                value.public.get(name.as_str()).ok_or_else(|| fail(format!("`public/{name}` does not exist")))?;
            files.insert(name.clone(), Secret::new(bytes.clone()));
        }
        if let Some(missing) = never_stored(&value, &secrets) {
            let name = failure::quoted_name(&instance.name);
            let file = shell_word(missing.as_str());
            return Err(fail(format!("`{missing}` is declared but not stored"))
                .hint(Some(format!("`artifacts set {name} {file}` stores it, and keeps the other files"))));
        }
        let own = if secrets.is_empty() {
            OwnHeaders::default()
        } else {
            owners.check(tools, instance, &value.at, &value.headers)?
        };
        let secrets = secrets.into_iter().map(ToString::to_string).collect();
        let read = RetrievedFiles { files, fingerprint: value.fingerprint, decrypted: Decrypted::new() };
        Ok(Self { value, secrets, own, read })
    }

    /// What the backend is asked to read.
    fn request(&self) -> (String, RetrieveCall<'_>) {
        let instance = &self.value.instance;
        let (files, names, openable) = (&self.value.files, self.secrets.as_slice(), &self.own.openable);
        (instance.name.to_string(), RetrieveCall { instance: instance.for_backend.clone(), files, names, openable })
    }

    /// Why the backend read nothing.
    fn refused(&self, tools: &Tools, stopped: &CallFailed, bundled: bool) -> RetrieveFailure {
        let Self { value, secrets, .. } = self;
        let instance = &value.instance;
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
        let recipients =
            || value.receipt.as_ref().map(|receipt| recipients_of(tools, receipt, secrets)).unwrap_or_default();
        RetrieveFailure { failure, recipients: is_unopened.then(recipients) }
    }

    /// Takes what the backend read.
    fn take(&mut self, tools: &mut Tools, retrieved: Retrieved) -> Result<(), RetrieveFailure> {
        let Self { value, own, read, .. } = self;
        let instance = &value.instance;
        let opened = retrieved.openings.into_iter().filter(|opening| opening.error.is_none());
        let opened: BTreeSet<HeaderHash> = opened.filter_map(|opening| opening.header).collect();
        tools.headers.learn(instance, &only(&own.unknown, &opened))?;
        read.decrypted.extend(retrieved.decrypted);
        for (name, secret) in retrieved.secrets {
            let name = Name::new(name).map_err(|error| failure::for_instance(instance, error.to_string()))?;
            read.files.insert(name, secret);
        }
        Ok(())
    }
}

/// So many instances are read before the progress is shown; eight workers share them.
const AT_ONCE: usize = 64;

type Called = (InstanceName, Retrieval, Result<Retrieved, RetrieveFailure>);

/// Has backends read the secret files of these, what one of them has to read at once.
fn call(tools: &mut Tools, open: Vec<(InstanceName, Retrieval)>, (count, total): (usize, usize)) -> Vec<Called> {
    let mut answers = Vec::new();
    for run in open.chunk_by(|(_, one), (_, other)| one.value.backend == other.value.backend) {
        for some in run.chunks(AT_ONCE) {
            tools.operator.phase(Phase::Decrypting { count: count + answers.len(), total });
            answers.extend(call_backend(tools, some));
        }
    }
    open.into_iter().zip(answers).map(|((name, reading), answer)| (name, reading, answer)).collect()
}

/// Has one backend read. The answers are in the order of what it is asked for.
fn call_backend(tools: &mut Tools, readings: &[(InstanceName, Retrieval)]) -> Vec<Result<Retrieved, RetrieveFailure>> {
    let (bundled, answers) = match answers(tools, readings) {
        Ok(Some(answers)) => answers,
        Ok(None) => {
            let failed =
                |reading: &Retrieval| failure::for_instance(&reading.value.instance, "its backend does not run here");
            return readings.iter().map(|(_, reading)| Err(failed(reading).into())).collect();
        }
        Err(failure) => return readings.iter().map(|_| Err(failure.clone().into())).collect(),
    };
    let ended = |((_, reading), answer): (&(InstanceName, Retrieval), Result<Retrieved, CallFailed>)| {
        answer.map_err(|stopped| reading.refused(tools, &stopped, bundled))
    };
    readings.iter().zip(answers).map(ended).collect()
}

type Answers = Vec<Result<Retrieved, CallFailed>>;

/// What the backend answered, and whether it is a bundled one; none where it does not run here.
fn answers(tools: &mut Tools, readings: &[(InstanceName, Retrieval)]) -> Result<Option<(bool, Answers)>, Failure> {
    let Some((_, first)) = readings.first() else { return Ok(None) };
    let backend = &first.value.backend;
    let Some((mut session, identities)) = tools.session_and_identities(backend)? else { return Ok(None) };
    let bundled = session.terms().bundled;
    let calls = readings.iter().map(|(_, reading)| reading.request()).collect();
    Ok(Some((bundled, session.retrieve(calls, identities)?)))
}

/// Why nothing is read: it is stored nowhere, or in another storage.
fn not_in(tools: &Tools, storage: &str, instance: &Instance) -> Failure {
    let elsewhere = Storages::readable(tools).besides(storage, instance).into_iter().next();
    elsewhere.map_or_else(|| failure::absent(instance), |(place, _)| failure::elsewhere(instance, &place))
}

/// Has age plugins asked for what is waiting; false when nothing came of it.
fn ask_plugins(tools: &mut Tools, waiting: &[(Retrieval, Undecrypted)]) -> bool {
    let Some((first, _)) = waiting.first() else { return false };
    if !tools.identities.is_left_for_plugins() {
        return false;
    }
    let Ok(Some((mut session, identities))) = tools.session_and_identities(&first.value.backend) else { return false };
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
    let stored = found.receipt.as_ref().map(|receipt| &receipt.backend.name);
    let opened = tools.backends.open(stored.or(instance.artifact.backend.as_ref())?).ok()?;
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
    Failure { kind: Some(Failure::NO_IDENTITY), ..failure::for_instance(instance, what) }
        .compared(Comparison { found, expected: None })
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
fn never_stored<'a>(value: &StoredValue, secrets: &[&'a Name]) -> Option<&'a Name> {
    let receipt = value.receipt.as_ref()?;
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
