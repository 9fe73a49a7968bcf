//! What to do about a state. A hint asks the same functions as the command that it names, and what keeps a value comes first.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{Cause, Instance, InstanceState, ReasonKind};
use artifacts_report::{Effect, Hint, Way, hint_line};
use artifacts_store::{Entry, Staged, Storage};
use artifacts_text::pathspec;

use super::adoptable::is_adoptable;
use super::foreseeable::foreseeable_error;
use super::index::{compare_index, is_conflict};
use super::orphans::Orphan;
use super::rekeyable::{immovable, unretrievable, wants_rekey};
use super::renamed::fault;
use super::settable::unsettable;
use super::steps::{GenerateScope, Replaces, steps};
use super::survey::{Survey, SurveyedInstance, survey};
use super::undo::{newest, restoring};
use crate::failure;
use crate::naming::bears;
use crate::tools::Tools;
use crate::tools::header_owners::HeaderOwners;

/// What `rotate` replaces where it is named.
const ROTATED: GenerateScope = GenerateScope { replaces: Replaces::All, only_stored: true };

/// All that is declared.
#[derive(Clone, Copy)]
pub struct Everything<'a> {
    /// Every instance.
    pub instances: &'a BTreeMap<InstanceName, Instance>,
    /// Their names, dependencies first.
    pub ordered: &'a [InstanceName],
    /// Entries that no declaration owns.
    pub orphans: &'a [Orphan],
}

/// What to do about the states in which these instances were found; nothing where nothing is to be done, or nothing is known to
/// help.
pub fn hints<'a>(
    tools: &mut Tools,
    declared: Everything<'_>,
    survey: &Survey,
    instances: impl Iterator<Item = &'a Instance>,
) -> BTreeMap<InstanceName, Vec<Hint>> {
    let mut owners = HeaderOwners::default();
    let mut hints = BTreeMap::new();
    let found = |instance: &'a Instance| Some((instance, survey.found.get(&instance.name)?));
    let instances: Vec<_> = instances.filter_map(found).collect();
    let is_unclear = |found: &SurveyedInstance| found.state.reasons().iter().any(|reason| reason.kind.is_unclear());
    let unclear = instances.iter().filter(|(_, found)| is_unclear(found) && !is_older(found));
    let mut undo = restoring(tools, unclear.map(|(instance, _)| *instance));
    let older = instances.iter().filter(|(_, found)| is_older(found));
    undo.extend(newest(tools, older.map(|(instance, _)| *instance)));
    for (instance, found) in instances {
        let about = About { declared, survey, instance, found, undo: &undo, name: instance.name.to_string() };
        let some = match &found.state {
            InstanceState::Absent => about.absent(tools),
            InstanceState::Stale(_) => about.stale(tools, &mut owners),
            InstanceState::Present | InstanceState::OnTarget | InstanceState::Blocked | InstanceState::Error(_) => {
                Vec::new()
            }
        };
        hints.insert(instance.name.clone(), some);
    }
    hints
}

/// The hints in one line, for a failure of one instance. It is looked at again: the failure may not tell why.
pub fn hint(tools: &mut Tools, instance: &Instance) -> Option<String> {
    let instances = BTreeMap::from([(instance.name.clone(), instance.clone())]);
    if let Some(Staged::Conflict(settlement)) = compare_index(tools, [instance]).by_name.get(&instance.name) {
        return Some(settlement.sentence(&instance.name.to_string()));
    }
    let names = BTreeSet::from([instance.name.clone()]);
    let survey = survey(tools, &instances, &names);
    let declared = Everything { instances: &instances, ordered: std::slice::from_ref(&instance.name), orphans: &[] };
    let mut hints = hints(tools, declared, &survey, std::iter::once(instance));
    hint_line(&hints.remove(&instance.name)?, &[&instance.name.to_string()])
}

/// Whether an entry is an older generation than the last that this machine stored.
fn is_older(found: &SurveyedInstance) -> bool {
    found.state.reasons().iter().any(|reason| reason.cause == Cause::Older)
}

struct About<'a> {
    declared: Everything<'a>,
    survey: &'a Survey,
    instance: &'a Instance,
    found: &'a SurveyedInstance,
    /// What brings back what git has as it was stored.
    undo: &'a BTreeMap<InstanceName, Hint>,
    name: String,
}

impl About<'_> {
    fn artifacts(&self, effect: Effect, words: &[&str]) -> Hint {
        Hint::command(effect, ["artifacts"].iter().chain(words).copied())
    }

    fn absent(&self, tools: &mut Tools) -> Vec<Hint> {
        if !self.makeable(GenerateScope::default()) {
            return Vec::new();
        }
        let Some(old) = self.declared.orphans.iter().find(|orphan| orphan.is_twin(self.instance)) else {
            return vec![self.artifacts(Effect::Generates, &["generate", &self.name])];
        };
        let new = self.artifacts(Effect::Replaces, &["generate", "--yes", &self.name]);
        vec![self.renamed(tools, &old.name), new]
    }

    /// What keeps the value of an old name.
    fn renamed(&self, tools: &mut Tools, old: &InstanceName) -> Hint {
        match fault(tools, self.instance, self.found, old) {
            None => self.artifacts(Effect::Keeps, &["rename", &old.to_string(), &self.name]),
            Some(_) => Hint::text(
                Effect::Keeps,
                format!("declare it as `{old}` again, which is stored and has the same files"),
            ),
        }
    }

    /// Whether `generate` would make it, as far as can be determined without asking anyone.
    fn makeable(&self, wanted: GenerateScope) -> bool {
        let Everything { instances, ordered, .. } = self.declared;
        let chosen = BTreeSet::from([self.instance.name.clone()]);
        let steps = steps(instances, ordered, &chosen, self.survey, wanted);
        let names: BTreeSet<InstanceName> = steps.into_iter().map(|step| step.name).collect();
        let made = |name| instances.get(name);
        let foreseeable_error = |one| foreseeable_error(one, instances, self.survey, &names, |_| false);
        names.contains(&self.instance.name) && names.iter().filter_map(made).all(|one| foreseeable_error(one).is_none())
    }

    fn stale(&self, tools: &mut Tools, owners: &mut HeaderOwners) -> Vec<Hint> {
        let reasons = self.found.state.reasons();
        let kinds: BTreeSet<ReasonKind> = reasons.iter().map(|reason| reason.kind).collect();
        let mut hints = Vec::from_iter(self.strays(tools));
        let unclear = kinds.iter().any(|kind| kind.is_unclear());
        // Anyone who accepts an entry looks at it first; so does anyone who gives it up.
        if is_older(self.found) {
            hints.extend(self.unclear(tools, owners, &kinds));
        } else if kinds.contains(&ReasonKind::Backend) || (unclear && !kinds.contains(&ReasonKind::Receipt)) {
            hints.extend(self.moved(tools));
        } else if unclear {
            hints.extend(self.unclear(tools, owners, &kinds));
        }
        if !unclear {
            hints.extend(self.files(tools));
            hints.extend(self.recipients(tools, &kinds));
            hints.extend(self.outdated(tools, owners, &kinds));
        }
        hints
    }

    /// Where its directory is, below the root.
    fn place(&self, tools: &Tools) -> Option<String> {
        let storage = tools.backends.storage(self.instance.artifact.backend.as_ref()?).ok()?;
        Some(format!("{storage}/{}", self.name))
    }

    fn strays(&self, tools: &Tools) -> Option<Hint> {
        let place = self.place(tools)?;
        let paths = self.found.strays.iter().map(|stray| format!("{place}/{stray}"));
        let there = paths.filter_map(|path| Some((tools.root.dir().symlink_metadata(&path).ok()?.is_dir(), path)));
        let (directories, paths): (Vec<bool>, Vec<String>) = there.unzip();
        let remove: &[&str] = if directories.contains(&true) { &["rm", "-r", "--"] } else { &["rm", "--"] };
        let words = remove.iter().copied().chain(paths.iter().map(String::as_str));
        (!paths.is_empty()).then(|| Hint::command(Effect::Keeps, words))
    }

    /// It is in another place or form than its backend expects.
    fn moved(&self, tools: &mut Tools) -> Option<Hint> {
        match immovable(tools, self.instance, self.found) {
            None => Some(self.artifacts(Effect::Keeps, &["rekey", &self.name])),
            Some(failure) => Some(Hint::text(Effect::Keeps, failure.hint?)),
        }
    }

    /// It is not what its receipt describes, or not in the form that its backend expects.
    fn unclear(&self, tools: &mut Tools, owners: &mut HeaderOwners, kinds: &BTreeSet<ReasonKind>) -> Vec<Hint> {
        let place = self.place(tools).unwrap_or_default();
        let in_git = tools.root.path().ancestors().any(|above| above.join(".git").exists());
        // Where git's index knows of the conflict, that says what settles it. Here the marks of one were stored.
        if self.found.state.reasons().iter().any(is_conflict) {
            let undo = self.undo.get(&self.instance.name).cloned();
            let otherwise = || Hint::text(Effect::Undoes, "restore it from a commit or a backup");
            return vec![undo.unwrap_or_else(otherwise)];
        }
        let moved = self.found.receipt.as_ref().filter(|receipt| receipt.instance != self.instance.name);
        let moved = moved.map(|receipt| self.renamed(tools, &receipt.instance));
        if let Some(rename @ Hint { way: Way::Command(_), .. }) = moved {
            return vec![rename];
        }
        if is_adoptable(tools, self.survey, self.instance, owners) {
            let mut hints = vec![self.artifacts(Effect::Keeps, &["adopt", &self.name])];
            hints.extend(self.undo.get(&self.instance.name).cloned());
            // What is older is as it was committed once.
            let is_changed = in_git && !is_older(self.found);
            hints.extend(is_changed.then(|| Hint::command(Effect::Reviews, ["git", "diff", "--", &pathspec(&place)])));
            return hints;
        }
        if let Some(moved) = moved {
            return vec![moved];
        }
        if is_older(self.found) {
            return self
                .undo
                .get(&self.instance.name)
                .cloned()
                .into_iter()
                .chain([Hint::text(Effect::Keeps, failure::ADOPT_AS_STORED)])
                .collect();
        }
        if let Some(hint) = self.other_name(tools, &place) {
            return vec![hint];
        }
        let mut hints = Vec::from_iter(self.undo.get(&self.instance.name).cloned());
        if hints.is_empty() && self.found.receipt.is_some() {
            hints.push(Hint::text(Effect::Undoes, "restore it from a commit or a backup"));
        }
        let is_part = self.found.receipt.is_none() && kinds.contains(&ReasonKind::Files);
        if is_part && !kinds.contains(&ReasonKind::Format) {
            let adopt = self.artifacts(Effect::Keeps, &["adopt", &self.name]);
            let adopt = hint_line(&[adopt], &[&self.name]).unwrap_or_default();
            let how = format!("store what is missing in `{place}`, encrypted to the same recipients, then run {adopt}");
            hints.push(Hint::text(Effect::Keeps, how));
        }
        if (self.found.receipt.is_some() || is_part || kinds.contains(&ReasonKind::Format)) && self.makeable(ROTATED) {
            hints.push(self.artifacts(Effect::Replaces, &["rotate", &self.name]));
        }
        hints
    }

    /// A file that another program stored under another name.
    fn other_name(&self, tools: &Tools, place: &str) -> Option<Hint> {
        let entry = stored(tools, self.instance)?;
        let declared: Vec<&str> = self.instance.secret_files().map(artifacts_declared::Name::as_str).collect();
        let strange: Vec<&String> =
            entry.files.keys().filter(|file| !declared.iter().any(|declared| bears(file, declared))).collect();
        let missing: Vec<&&str> =
            declared.iter().filter(|declared| !entry.files.keys().any(|file| bears(file, declared))).collect();
        let ([strange], [missing]) = (strange.as_slice(), missing.as_slice()) else { return None };
        let (_, ending) = strange.rsplit_once('.')?;
        let to = format!("{place}/{missing}.{ending}");
        Some(Hint::command(Effect::Keeps, ["mv", "--", &format!("{place}/{strange}"), &to]))
    }

    fn files(&self, tools: &mut Tools) -> Vec<Hint> {
        let causes: Vec<&Cause> = self.found.state.reasons().iter().map(|reason| &reason.cause).collect();
        let unstored: Vec<&String> = causes
            .iter()
            .filter_map(|cause| if let Cause::Unstored(file) = cause { Some(file) } else { None })
            .collect();
        let undeclared: Vec<&String> = causes
            .iter()
            .filter_map(|cause| if let Cause::Undeclared(file) = cause { Some(file) } else { None })
            .collect();
        let mut hints = Vec::new();
        // A file that was renamed: what is stored under the old name would go.
        if let (Some(old), Some(new)) = (undeclared.first(), unstored.first()) {
            let how = if old == new { "as a secret again" } else { "again, under which a value is stored" };
            hints.push(Hint::text(Effect::Keeps, format!("declare `{old}` {how}")));
        } else if !undeclared.is_empty() && self.rekeyable(tools) {
            hints.push(self.artifacts(Effect::Keeps, &["rekey", &self.name]));
        }
        let settable = unstored.iter().filter(|file| unsettable(self.instance, self.found, file).is_none());
        hints.extend(settable.map(|file| self.artifacts(Effect::Keeps, &["set", &self.name, file])));
        hints
    }

    fn rekeyable(&self, tools: &mut Tools) -> bool {
        wants_rekey(&self.found.state, false) && immovable(tools, self.instance, self.found).is_none()
    }

    fn recipients(&self, tools: &mut Tools, kinds: &BTreeSet<ReasonKind>) -> Vec<Hint> {
        if !kinds.contains(&ReasonKind::Recipients) {
            return Vec::new();
        }
        let backend = self.instance.artifact.backend.as_ref();
        match backend.and_then(|backend| unretrievable(tools, self.instance, backend)) {
            None if self.rekeyable(tools) => vec![self.artifacts(Effect::Keeps, &["rekey", &self.name])],
            None => Vec::new(),
            Some(_) => {
                let mut hints = vec![Hint::text(Effect::Keeps, "declare the recipients as before")];
                if self.makeable(ROTATED) {
                    hints.push(self.artifacts(Effect::Replaces, &["rotate", &self.name]));
                }
                hints
            }
        }
    }

    fn outdated(&self, tools: &mut Tools, owners: &mut HeaderOwners, kinds: &BTreeSet<ReasonKind>) -> Vec<Hint> {
        let mut hints = Vec::new();
        if !kinds.iter().any(|kind| kind.is_outdated()) {
            return hints;
        }
        if is_adoptable(tools, self.survey, self.instance, owners) {
            hints.push(self.artifacts(Effect::Keeps, &["adopt", &self.name]));
        }
        if self.makeable(ROTATED) {
            hints.push(self.artifacts(Effect::Replaces, &["rotate", &self.name]));
        }
        hints
    }
}

fn stored(tools: &Tools, instance: &Instance) -> Option<Entry> {
    let storage = tools.backends.storage(instance.artifact.backend.as_ref()?).ok()?;
    Storage::open(&tools.root, &storage).ok()?.read(&instance.name).ok()?
}

/// A failure of an instance that says nothing of what to do says what its state asks for.
pub fn with_hint(
    tools: &mut Tools,
    instance: &Instance,
    failure: artifacts_report::Failure,
) -> artifacts_report::Failure {
    if failure.hint.is_some() {
        return failure;
    }
    let hint = hint(tools, instance);
    failure.hint(hint)
}
