//! Which values of other tools' files could be stored, and whether the files are taken unchanged or decrypted.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name};
use artifacts_plan::{Instance, InstanceState, RECIPIENTS};
use artifacts_report::Failure;
use artifacts_seam::{CallError, CheckState, EntryFiles};
use artifacts_session::Verified;
use artifacts_store::{Generation, HeaderHash, NewEntry};
use artifacts_text::Explain;

use super::adoptable::Adoption;
use super::generations::StoredGeneration;
use super::import_document::{SourceDocument, SourceFiles};
use super::import_source::ImportSource;
use super::survey::{Survey, SurveyedInstance};
use super::{changes, encryptable};
use crate::failure;
use crate::tools::Tools;
use crate::tools::header_owners::HeaderOwners;
use crate::tools::headers;
use crate::work::receipt::{self, GenerationRecord};

/// So many entries are checked in one call.
const BATCH: usize = 256;

/// Holds the values of one instance, and how they are taken.
#[derive(Debug, Clone)]
pub(crate) struct Taking {
    /// The instance.
    pub name: InstanceName,
    /// The files that have its values.
    pub documents: Vec<SourceDocument>,
    /// The public files.
    pub public: EntryFiles,
    /// Where all values are, for messages.
    pub paths: BTreeSet<String>,
    /// What is accepted if nothing is decrypted. None where the declared backend does not take the files unchanged.
    pub adoption: Option<Adoption>,
    /// Whether the values are decrypted, and encrypted to the declared recipients.
    pub decrypts: bool,
}

/// The sources of an instance, by declared file.
pub(crate) type Sources = BTreeMap<Name, ImportSource>;

/// Finds what could be taken of these, in their order, and why something cannot. Nothing is decrypted. What is stored already is
/// left, and is no failure.
pub(crate) fn takings<'a>(
    tools: &mut Tools,
    survey: &Survey,
    wanted: impl Iterator<Item = (&'a Instance, &'a Sources)>,
) -> (Vec<Taking>, Vec<Failure>) {
    let (mut begun, mut failures) = (Vec::new(), Vec::new());
    for (instance, sources) in wanted {
        let Some(found) = survey.found.get(&instance.name) else { continue };
        match begin(tools, (instance, found), sources) {
            Ok(one) => begun.extend(one),
            Err(failure) => failures.push(failure),
        }
    }
    let begun = without_copies(begun, &mut failures);
    let mut answers = ask(tools, &begun);
    let (mut takings, mut owners) = (Vec::new(), HeaderOwners::default());
    for one in begun {
        let answer = answers.remove(&one.instance.name);
        match one.decide(tools, survey, answer, &mut owners) {
            Ok(taking) => takings.push(taking),
            Err(failure) => failures.push(failure),
        }
    }
    (takings, failures)
}

impl Survey {
    /// Takes note of a generation that was stored just now: what is stored after it counts as generated from it.
    pub(crate) fn generated(&mut self, name: &InstanceName, generation: Generation) {
        self.generations.insert(name.clone(), StoredGeneration { generation, former: BTreeSet::new() });
    }
}

/// Holds the sources of an absent instance, which were read.
struct Begun<'a> {
    instance: &'a Instance,
    found: &'a SurveyedInstance,
    files: SourceFiles,
    paths: BTreeSet<String>,
    /// What its entry has when nothing is decrypted; none where that cannot be.
    unchanged: Option<EntryFiles>,
}

/// What a backend says of files that it is to take unchanged.
type Answer = Result<Verified, CallError>;

/// Reads the sources of an absent instance; none where it is stored already.
fn begin<'a>(
    tools: &Tools,
    (instance, found): (&'a Instance, &'a SurveyedInstance),
    sources: &Sources,
) -> Result<Option<Begun<'a>>, Failure> {
    match &found.state {
        InstanceState::Absent => {
            let files = SourceFiles::read(&tools.root, instance, sources)?;
            let paths = sources.values().map(ImportSource::shown).collect();
            Ok(Some(Begun { instance, found, unchanged: files.unchanged(), files, paths }))
        }
        // Its row says what it is.
        InstanceState::Present | InstanceState::Stale(_) | InstanceState::Error(_) => Ok(None),
        InstanceState::OnTarget => Err(failure::on_target(instance)),
        InstanceState::Blocked => {
            let blocked = failure::for_instance(instance, "cannot be evaluated yet");
            Err(blocked.hint(Some("run `artifacts generate` first")))
        }
    }
}

/// Leaves those whose files are of no other instance: an age file belongs to one file of one instance.
fn without_copies<'a>(begun: Vec<Begun<'a>>, failures: &mut Vec<Failure>) -> Vec<Begun<'a>> {
    let mut places: BTreeMap<HeaderHash, Vec<ImportSource>> = BTreeMap::new();
    for document in begun.iter().flat_map(|one| &one.files.documents) {
        for header in document.headers() {
            places.entry(header).or_default().push(document.source.clone());
        }
    }
    let fault = |one: &Begun<'a>| {
        let mut all =
            one.files.documents.iter().flat_map(|it| it.headers().into_iter().map(move |header| (it, header)));
        all.find_map(|(document, header)| {
            let other = places.get(&header)?.iter().find(|other| **other != document.source)?;
            Some(document.source.copied(other))
        })
    };
    let (copied, own): (Vec<_>, Vec<_>) =
        begun.into_iter().map(|one| (fault(&one), one)).partition(|(it, _)| it.is_some());
    failures.extend(copied.into_iter().filter_map(|(fault, _)| fault));
    own.into_iter().map(|(_, one)| one).collect()
}

/// Asks backends whether they take files unchanged. Who was not asked has no answer.
fn ask(tools: &mut Tools, begun: &[Begun<'_>]) -> BTreeMap<InstanceName, Answer> {
    let mut by_backend: BTreeMap<&Name, Vec<(&Instance, &EntryFiles)>> = BTreeMap::new();
    for one in begun {
        let files = one.unchanged.as_ref().filter(|files| !files.is_empty());
        if let Some((backend, files)) = one.instance.artifact.backend.as_ref().zip(files) {
            by_backend.entry(backend).or_default().push((one.instance, files));
        }
    }
    let mut answers = BTreeMap::new();
    for (backend, asked) in by_backend {
        for batch in asked.chunks(BATCH) {
            let request =
                batch.iter().map(|(instance, files)| (instance.for_backend.clone(), (*files).clone())).collect();
            let names: Vec<String> = batch.iter().map(|(instance, _)| instance.name.to_string()).collect();
            let session = tools.session(backend).ok().flatten();
            let checks = session.and_then(|mut session| session.check(request, &names, false).ok());
            let names = batch.iter().map(|(instance, _)| instance.name.clone());
            answers.extend(names.zip(checks.into_iter().flat_map(|checks| checks.answers)));
        }
    }
    answers
}

/// Checks that these can be decrypted, as far as can be determined without decrypting them.
fn decryptable(tools: &mut Tools, documents: &[SourceDocument]) -> Result<(), Failure> {
    for document in documents {
        tools.backends.open(&document.backend)?;
    }
    let Some(document) = documents.first() else { return Ok(()) };
    let Some(why) = tools.identities.absence()? else { return Ok(()) };
    let failure = Failure { kind: Some(Failure::NO_IDENTITY), ..document.source.failure(&why.to_string()) };
    Err(failure.hint(why.hint()))
}

/// Whom files lose when they are written again, a sentence each. None where the backend does not take the files.
fn losses(answer: Answer) -> Option<BTreeSet<String>> {
    match answer.ok()?.state {
        CheckState::Present => Some(BTreeSet::new()),
        CheckState::Stale(reasons) if reasons.iter().all(|(kind, _)| kind == RECIPIENTS) => {
            Some(reasons.into_iter().map(|(_, why)| why).collect())
        }
        CheckState::Absent | CheckState::Stale(_) => None,
    }
}

impl Begun<'_> {
    /// Decides how the values are taken.
    fn decide(
        self,
        tools: &mut Tools,
        survey: &Survey,
        answer: Option<Answer>,
        owners: &mut HeaderOwners,
    ) -> Result<Taking, Failure> {
        for document in &self.files.documents {
            let read = document.instance(self.instance);
            let sealed = headers::in_entry(&read, &document.entry());
            owners.check(tools, &read, &read.name, &sealed).map_err(|failure| document.source.about(&failure))?;
        }
        let others = match (&self.unchanged, answer) {
            (Some(files), None) if files.is_empty() => Some(BTreeSet::new()),
            (_, answer) => answer.and_then(losses),
        };
        let adoption = others.map(|others| self.adoption(tools, survey, others)).transpose()?;
        let Self { instance, found, files: SourceFiles { documents, public }, paths, .. } = self;
        let unencryptable = encryptable::unencryptable(&tools.plugins, instance, found);
        let decrypts = match &adoption {
            Some(adoption) if !adoption.unread && adoption.other_recipients.is_empty() => false,
            Some(_) => unencryptable.is_none() && tools.identities.absence()?.is_none(),
            None => true,
        };
        if decrypts {
            decryptable(tools, &documents)?;
            unencryptable.map_or(Ok(()), Err)?;
        }
        Ok(Taking { name: instance.name.clone(), documents, public, paths, adoption, decrypts })
    }

    /// What is accepted when the files are taken unchanged. Recipients are listed of files that are certain to have them and no others.
    fn adoption(&self, tools: &mut Tools, survey: &Survey, others: BTreeSet<String>) -> Result<Adoption, Failure> {
        let Self { instance, found, files: SourceFiles { documents, public }, unchanged, .. } = self;
        let files = unchanged.clone().unwrap_or_default();
        let backend =
            instance.artifact.backend.as_ref().ok_or_else(|| failure::for_instance(instance, "no backend"))?;
        let stored_by = receipt::backend_id(backend, &tools.backends.open(backend)?.terms);
        let sealed = tools.headers.accepted(instance, headers::in_entry(instance, &files))?;
        let making = GenerationRecord {
            instance,
            found,
            backend: stored_by,
            dependencies: &survey.made_from(instance),
            headers: &sealed,
            now: tools.now,
        };
        let mut receipt = making.receipt()?;
        let is_certain = |(file, declared): (&Name, &BTreeSet<String>)| {
            let document = documents.iter().find(|it| it.values.iter().any(|(_, name)| name == file));
            document.is_some_and(|document| document.is_for(declared, &tools.keys))
        };
        let certain = |(file, declared): (&Name, &BTreeSet<String>)| {
            let known = if is_certain((file, declared)) { declared.clone() } else { BTreeSet::new() };
            (file.clone(), known)
        };
        receipt.recipients = receipt.recipients.iter().map(certain).collect();
        let headers: BTreeSet<HeaderHash> = sealed.values().flat_map(|headers| headers.keys().copied()).collect();
        Ok(Adoption {
            name: instance.name.clone(),
            differences: Vec::new(),
            new_headers: headers.len(),
            headers,
            unread: receipt.recipients != found.recipients,
            miscounted: false,
            other_recipients: others,
            files: changes::taken(instance, &receipt, &files, public),
            sealed,
            entry: NewEntry { replaces: None, files, public: public.clone(), receipt },
        })
    }
}
