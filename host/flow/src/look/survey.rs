use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use artifacts_declared::{Equals, InstanceName, Name, Recipients, Shared, TargetId};
use artifacts_plan::{Elsewhere, Instance, InstanceState, RECIPIENTS, Reason, Said, state};
use artifacts_report::{Failure, RecipientChange, RecipientNames};
use artifacts_seam as seam;
use artifacts_session::CheckMemo;
use artifacts_store::{EntryNotes, Fingerprint, Generation, Receipt, Storage};

use super::answers::{AskedInstance, NoAnswers, answers};
use super::configured::FittingConfigs;
use super::elsewhere::Storages;
use super::generations::{StoredGeneration, generations};
use super::mixed::mixed;
use super::probe::{CheckResult, InstanceProbe};
use super::reading::{FoundEntry, ReadEntry, Reading};
use super::undo::{INCOMPLETE, hint_at_missing};
use crate::failure;
use crate::tools::{HeaderMemory, Phase, Terms, Tools};

/// The receipts of all instances, which are kept for the whole run, have at most so many bytes together: anyone who can push could
/// otherwise fill the memory. Those of ten thousand instances with twenty recipients each take half of it.
const RECEIPT_BYTES: u64 = 512 << 20;

/// What every instance is.
#[derive(Default)]
pub struct Survey {
    /// By name.
    pub found: BTreeMap<InstanceName, SurveyedInstance>,
    /// What could not be told.
    pub errors: Vec<Failure>,
    /// How often a component was called, by backend.
    pub calls: BTreeMap<String, u64>,
    /// Recipients that a backend cannot write for, a sentence each: they are removed when the files are encrypted again.
    pub(crate) other_recipients: BTreeMap<InstanceName, BTreeSet<String>>,
    /// Whose recipients are by the word of backends, by key.
    pub(crate) labels: BTreeMap<String, String>,
    /// The same by the word of receipts, of recipients that are not declared any more.
    pub(crate) stored_labels: BTreeMap<String, String>,
    /// Whose the recipients are that join and leave by the states.
    pub(crate) recipient_names: RecipientNames,
    /// Which making of each dependency is stored.
    pub(crate) generations: BTreeMap<InstanceName, StoredGeneration>,
    /// The receipts that were read so far, in bytes.
    pub(crate) receipts: u64,
    /// What git would note of the files of entries, as they were.
    pub(crate) notes: EntryNotes,
    /// What many instances have alike.
    pub(crate) alike: Alike,
}

/// Recipients, their labels, and targets, each held once.
#[derive(Default)]
pub(crate) struct Alike {
    recipients: Equals<Recipients>,
    labels: Equals<Shared<BTreeMap<String, String>>>,
    targets: Equals<Shared<BTreeSet<TargetId>>>,
}

impl Alike {
    /// Shares with other receipts what this one has in common with them.
    fn share(&mut self, receipt: &mut Receipt) {
        receipt.recipients = self.recipients.share(std::mem::take(&mut receipt.recipients));
        receipt.labels = self.labels.share(std::mem::take(&mut receipt.labels));
        receipt.targets = self.targets.share(std::mem::take(&mut receipt.targets));
    }
}

/// What one instance is.
#[derive(Debug, Clone)]
pub struct SurveyedInstance {
    /// Its state.
    pub state: InstanceState,
    /// Whom its backend would encrypt each file to.
    pub recipients: Recipients,
    /// Whose they are by the word of its backend, by key.
    pub labels: Shared<BTreeMap<String, String>>,
    /// Its receipt, when a valid one is stored.
    pub receipt: Option<Box<Receipt>>,
    /// The content that was looked at; a commit replaces nothing else.
    pub fingerprint: Option<Fingerprint>,
    /// Where its value is, when that is not the place of its backend; the receipt is that entry's. With an entry in that place, too, it
    /// is what a move left.
    pub elsewhere: Option<Elsewhere>,
    /// The name under which its value is stored, where it is to be renamed.
    pub former: Option<InstanceName>,
    /// Files in its entry's directory that belong to no one.
    pub strays: Vec<String>,
}

impl SurveyedInstance {
    /// Of what nothing is known but its state.
    pub(crate) fn unknown(state: InstanceState) -> Self {
        let (recipients, labels, strays) = (Recipients::new(), Shared::default(), Vec::new());
        Self { state, recipients, labels, receipt: None, fingerprint: None, elsewhere: None, former: None, strays }
    }

    /// The declared secret files that are stored, by whichever backend. Where its receipt does not tell, those are all of them.
    pub fn stored_files<'a>(&'a self, instance: &'a Instance) -> impl Iterator<Item = &'a Name> {
        let lists = move |file: &Name| match &self.receipt {
            Some(receipt) if receipt.recipients.is_empty() => !receipt.files.is_empty(),
            Some(receipt) => receipt.recipients.contains(file.as_str()),
            None => self.fingerprint.is_some(),
        };
        instance.secret_files().filter(move |file| lists(file))
    }
}

/// Looks at the chosen of all instances: reads their entries, asks their backends, and decides. Writes nothing and needs no
/// key.
pub fn survey(tools: &mut Tools, all: &BTreeMap<InstanceName, Instance>, chosen: &BTreeSet<InstanceName>) -> Survey {
    let mut survey = Survey::default();
    let mut by_backend: BTreeMap<&Name, Vec<&Instance>> = BTreeMap::new();
    let generations = generations(tools, all, chosen);
    for instance in chosen.iter().filter_map(|name| all.get(name)) {
        match &instance.artifact.backend {
            Some(backend) if !instance.artifact.blocked => by_backend.entry(backend).or_default().push(instance),
            _ => survey.note(InstanceProbe::without_entry(instance), CheckResult::new(Said::Nothing), tools.seconds()),
        }
    }
    let storages = Storages::readable(tools);
    for (backend, instances) in by_backend {
        ask(tools, &mut survey, backend, &instances, &generations, &storages);
    }
    survey.generations = generations;
    survey.name_recipients(tools);
    hint_at_missing(tools, all, &mut survey.errors);
    tools.memo.save();
    tools.operator.phase(Phase::Idle);
    survey
}

impl Survey {
    /// Whom an instance's files lose when they are encrypted again, as changes of each secret file. Its backend tells of them in
    /// sentences, since only it knows who they are.
    pub(crate) fn other_recipients(&self, instance: &Instance) -> Vec<RecipientChange> {
        let Some(before) = self.other_recipients.get(&instance.name).filter(|others| !others.is_empty()) else {
            return Vec::new();
        };
        let change = |file: &Name| RecipientChange {
            instance: instance.name.to_string(),
            file: file.to_string(),
            before: before.clone(),
            after: BTreeSet::new(),
            is_first: false,
        };
        instance.secret_files().map(change).collect()
    }

    /// Which making of each of its dependencies is stored.
    pub(crate) fn made_from(&self, instance: &Instance) -> BTreeMap<InstanceName, Generation> {
        let generation = |name: &InstanceName| Some((name.clone(), self.generations.get(name)?.generation));
        instance.dependencies.values().filter_map(generation).collect()
    }
}

fn ask(
    tools: &mut Tools,
    survey: &mut Survey,
    backend: &Name,
    instances: &[&Instance],
    generations: &BTreeMap<InstanceName, StoredGeneration>,
    storages: &Storages,
) {
    let opened = match tools.backends.open(backend) {
        Ok(opened) => opened,
        Err(why) => return survey.fail_all(instances, &why),
    };
    let Terms { sha256, bundled, grants, limits, config, .. } = &opened.terms;
    let (limit, schema) = (limits.output, Arc::clone(config));
    // One component instance answers for a whole batch: of another's component no one knows what it takes from one entry to the next.
    let has_memo = *bundled && tools.memo.is_used();
    let terms = has_memo.then(|| CheckMemo::terms(sha256, grants, limits)).flatten();
    let host_encrypts = !opened.terms.grants.plaintext;
    // A configuration that its backend does not take is not given to it.
    let fitting = FittingConfigs::new(backend, &schema);
    if !opened.is_here() {
        return survey.on_target(instances, fitting, tools.seconds());
    }
    let storage = match Storage::open(&tools.root, &opened.storage) {
        Ok(storage) => storage,
        Err(why) => return survey.fail_all(instances, &Failure::from(why)),
    };
    let mut asking = Asking { backend, fitting, host_encrypts };
    let keeps_notes = tools.memo.is_of_look();
    let resting = terms.filter(|_| tools.memo.is_kept()).and_then(|_| storage.resting(tools.seconds()));
    let reading = Reading { storage: &storage, limit, generations, storages, terms, resting, keeps_notes };
    let (mut rest, total) = (instances.iter().copied(), instances.len());
    while rest.len() > 0 {
        tools.operator.phase(Phase::Checking { count: total - rest.len(), total });
        let mut read = reading.batch(&mut rest, tools.jobs, &tools.memo);
        let seen = read.iter_mut().filter_map(|read| read.found.as_mut().ok()?.read.take());
        seen.for_each(|(stamp, seen)| tools.memo.see(stamp.0, seen));
        let looks = survey.take(read, &mut tools.headers);
        match asking.batch(tools, survey, looks) {
            Ok(()) => {}
            Err(NoAnswers::Unstarted(why)) => {
                let left = instances.iter().copied().filter(|one| !survey.found.contains_key(&one.name));
                return survey.fail_all(&left.collect::<Vec<_>>(), &why);
            }
            Err(NoAnswers::Unrecorded(why)) => return survey.stop(instances, why),
        }
    }
}

/// How a backend is asked about instances.
struct Asking<'a> {
    backend: &'a Name,
    fitting: FittingConfigs<'a>,
    /// Whether the host encrypts for it.
    host_encrypts: bool,
}

impl<'a> Asking<'a> {
    /// Asks about what was read, and notes what each instance is.
    fn batch(
        &mut self,
        tools: &mut Tools,
        survey: &mut Survey,
        looks: Vec<InstanceProbe<'a>>,
    ) -> Result<(), NoAnswers> {
        let now = tools.seconds();
        let (mut asked, unasked): (Vec<InstanceProbe<'a>>, Vec<InstanceProbe<'a>>) =
            looks.into_iter().partition(InstanceProbe::has_secrets);
        let question = |look: &mut InstanceProbe<'a>| AskedInstance {
            instance: &look.instance.for_backend,
            files: std::mem::take(&mut look.files),
            key: look.key,
        };
        let questions = asked.iter_mut().map(question).collect();
        let misfit = |at: usize| asked.get(at).and_then(|look| self.fitting.misfit(look.instance));
        let answers = answers(tools, self.backend, questions, misfit)?;
        *survey.calls.entry(self.backend.to_string()).or_default() += answers.calls;
        for (look, answer) in asked.into_iter().zip(answers.answers) {
            let mut answer = CheckResult::from_backend(&look, answer);
            if self.host_encrypts
                && let Some((why, hint)) = mixed(&tools.keys, &answer.recipients, &answer.labels)
            {
                answer = CheckResult { hint: Some(hint), ..CheckResult::new(Said::Failed(why)) };
            }
            survey.note(look, answer, now);
        }
        for look in unasked {
            survey.note(look, CheckResult::new(Said::Nothing), now);
        }
        Ok(())
    }
}

/// What to do about an instance that has two entries.
fn two_entries(look: &InstanceProbe<'_>, others: &[Elsewhere]) -> Option<String> {
    let name = failure::quoted_name(&look.instance.name);
    let others = others.iter().filter(|one| one.declared);
    let others: Vec<String> = others.map(|one| format!("`{}`", one.storage)).collect();
    let others = others.join(" and ");
    look.facts.as_ref()?;
    let storage = &look.storage;
    Some(format!(
        "to keep the one in `{storage}`, `artifacts prune {name}` moves that in {others} to the trash; to keep that in {others}, \
         move the one in `{storage}` away first"
    ))
}

impl Survey {
    /// The state of each by name, as a report has it.
    pub fn states(&self) -> impl Iterator<Item = (&InstanceName, &InstanceState)> {
        self.found.iter().map(|(name, found)| (name, &found.state))
    }

    /// What these are after some were made: present, and whatever else was made from them before is stale.
    pub fn made(&mut self, made: &BTreeSet<InstanceName>, all: &BTreeMap<InstanceName, Instance>) {
        for (name, found) in &mut self.found {
            let Some(instance) = all.get(name) else { continue };
            if made.contains(name) {
                found.state = InstanceState::Present;
                continue;
            }
            let again = instance.dependencies.values().filter(|d| made.contains(*d)).map(Reason::regenerated);
            let again: BTreeSet<Reason> = again.collect();
            match &mut found.state {
                InstanceState::Present if !again.is_empty() => {
                    found.state = InstanceState::Stale(again.into_iter().collect());
                }
                InstanceState::Stale(reasons) => {
                    reasons.extend(again);
                    reasons.sort();
                    reasons.dedup();
                }
                _ => {}
            }
        }
    }

    /// Notes instances that their backend makes on the target.
    fn on_target<'a>(&mut self, instances: &[&'a Instance], mut fitting: FittingConfigs<'a>, now: u64) {
        for instance in instances {
            match fitting.misfit(instance) {
                Some(why) => self.fail(instance, &why),
                None => self.note(InstanceProbe::without_entry(instance), CheckResult::new(Said::OnTarget), now),
            }
        }
    }

    /// Takes what was read of a batch, in its order; one that cannot be read, or in which there is more than its backend's limit, is an
    /// error of its own and is not asked about.
    fn take<'a>(&mut self, read: Vec<ReadEntry<'a>>, headers: &mut HeaderMemory) -> Vec<InstanceProbe<'a>> {
        let mut looks = Vec::new();
        for ReadEntry { instance, found } in read {
            match found.map_err(Failure::from).and_then(|found| self.remembered(found, headers)) {
                Ok(look) => looks.push(look),
                Err(why) => self.fail(instance, &why),
            }
        }
        looks
    }

    /// Adds what this machine knows of an entry.
    fn remembered<'a>(
        &mut self,
        found: FoundEntry<'a>,
        memory: &mut HeaderMemory,
    ) -> Result<InstanceProbe<'a>, Failure> {
        let FoundEntry { probe: mut look, note, headers, receipt_size, .. } = found;
        self.notes.extend(note.map(|note| (format!("{}/{}", look.storage, look.instance.name), note)));
        self.keep(receipt_size).map_err(|why| {
            let hint = "name fewer instances, and see who wrote the largest receipts (`git log`)";
            Failure::new("", why).hint(Some(hint))
        })?;
        let contradiction = memory.contradiction(look.instance, &headers);
        let (older, unknown) = match memory.older(look.instance, look.receipt.as_deref()) {
            Ok(older) => (older, None),
            Err(why) => (None, Some(why)),
        };
        if let Some(facts) = &mut look.facts {
            facts.older = older;
        }
        Ok(look.contradicted(contradiction.or(unknown)))
    }

    /// Counts a receipt of so many bytes. Refuses one that does not fit beside the others.
    fn keep(&mut self, receipt: u64) -> Result<(), String> {
        if receipt > RECEIPT_BYTES.saturating_sub(self.receipts) {
            let limit = RECEIPT_BYTES >> 20;
            return Err(format!(
                "its receipt has {receipt} bytes, and all that a run reads may have {limit} MiB together"
            ));
        }
        self.receipts += receipt;
        Ok(())
    }

    fn note(&mut self, mut look: InstanceProbe<'_>, mut answer: CheckResult, now: u64) {
        answer.recipients = self.alike.recipients.share(answer.recipients);
        answer.labels = self.alike.labels.share(answer.labels);
        if let Some(receipt) = &mut look.receipt {
            self.alike.share(receipt);
        }
        if let Some(failure) = look.contradiction.take() {
            return self.contradict(look, answer.recipients, failure);
        }
        let others: Vec<(Elsewhere, Option<Receipt>)> = look.elsewhere().collect();
        let places: Vec<Elsewhere> = others.iter().map(|(place, _)| place.clone()).collect();
        self.keep_labels(&look, &answer);
        if let Said::Checked { state: seam::CheckState::Stale(reasons), .. } = &answer.said {
            let others = reasons.iter().filter(|(kind, _)| kind == RECIPIENTS).map(|(_, sentence)| sentence.clone());
            self.other_recipients.insert(look.instance.name.clone(), others.collect());
        }
        let state = state(look.instance, &answer.said, look.facts.as_ref(), now);
        let counts = |place: &Elsewhere| place.is_left() || state == InstanceState::Absent;
        let elsewhere = others
            .into_iter()
            .find(|(place, _)| counts(place))
            .filter(|_| places.iter().filter(|place| place.declared || state == InstanceState::Absent).count() == 1);
        let state = state.with_entries(&look.storage, &places);
        if let InstanceState::Error(why) = &state {
            let twofold = (!places.is_empty()).then(|| two_entries(&look, &places)).flatten();
            // A backend that looked and finds nothing of what is stored has no words for it.
            let missing = matches!(answer.said, Said::Checked { .. }) && look.facts.is_some();
            let failure = failure::for_instance(look.instance, why.clone()).hint(answer.hint.clone().or(twofold));
            let kind = (missing && failure.hint.is_none()).then_some(INCOMPLETE);
            self.errors.push(Failure { kind, ..failure });
        }
        let (elsewhere, other) = elsewhere.unzip();
        let found = SurveyedInstance {
            state,
            recipients: answer.recipients,
            labels: answer.labels,
            receipt: look.receipt.or_else(|| other.flatten().map(Box::new)),
            fingerprint: look.fingerprint,
            elsewhere,
            former: None,
            strays: look.facts.map(|facts| facts.strays).unwrap_or_default(),
        };
        self.found.insert(look.instance.name.clone(), found);
    }

    /// Keeps what may name recipients: the labels of its backend, and of its receipt those of who is to leave.
    fn keep_labels(&mut self, look: &InstanceProbe<'_>, answer: &CheckResult) {
        for (key, label) in &*answer.labels {
            if self.labels.get(key) != Some(label) {
                self.labels.insert(key.clone(), label.clone());
            }
        }
        let Some(receipt) = look.receipt.as_ref().filter(|receipt| receipt.recipients != answer.recipients) else {
            return;
        };
        let declared: BTreeSet<&String> = answer.recipients.of_all_files().collect();
        let left = receipt.recipients.of_all_files().filter(|key| !declared.contains(key));
        let label = |key: &String| Some((key.clone(), receipt.labels.get(key)?.clone()));
        self.stored_labels.extend(left.filter_map(label));
    }

    /// An entry that is not what its receipt claims: nothing is done to it.
    fn contradict(&mut self, look: InstanceProbe<'_>, recipients: Recipients, failure: Failure) {
        let state = InstanceState::Error(failure.message.clone());
        self.errors.push(failure);
        let (receipt, fingerprint) = (look.receipt, look.fingerprint);
        let found = SurveyedInstance { recipients, receipt, fingerprint, ..SurveyedInstance::unknown(state) };
        self.found.insert(look.instance.name.clone(), found);
    }

    fn fail(&mut self, instance: &Instance, why: &Failure) {
        self.errors.push(failure::of_instance(instance, why.clone()));
        let found = SurveyedInstance::unknown(InstanceState::Error(why.message.clone()));
        self.found.insert(instance.name.clone(), found);
    }

    /// Nothing more is asked, and what was not answered is not known: for one reason, which is reported once.
    fn stop(&mut self, instances: &[&Instance], why: Failure) {
        for instance in instances {
            let state = || InstanceState::Error(why.message.clone());
            let found = || SurveyedInstance::unknown(state());
            self.found.entry(instance.name.clone()).or_insert_with(found);
        }
        self.errors.push(why);
    }

    fn fail_all(&mut self, instances: &[&Instance], why: &Failure) {
        for instance in instances {
            self.fail(instance, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_take_no_more_memory_than_all_of_them_may_have() {
        let mut survey = Survey::default();
        assert_eq!((survey.keep(RECEIPT_BYTES - 10), survey.keep(10)), (Ok(()), Ok(())));
        assert!(survey.keep(1).is_err_and(|why| why.contains("512 MiB")));
        assert_eq!(survey.keep(0), Ok(()), "what has no receipt is looked at all the same");
    }
}
