use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::Recipients;
use artifacts_digest::Sha256;
use artifacts_seam as seam;

use crate::{Cause, Instance, Reason, ReasonKind, RecipientDelta};

/// What an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceState {
    /// Stored, whole, for the recipients that are declared.
    Present,
    /// Not stored: the backend says so, and the host finds no entry.
    Absent,
    /// Stored, but not as declared.
    Stale(Vec<Reason>),
    /// Made on the target; nothing is stored here.
    OnTarget,
    /// Its declaration reads a public value that is not there yet.
    Blocked,
    /// It cannot be determined; nothing is done to it.
    Error(String),
}

impl InstanceState {
    /// The words of all states.
    pub const WORDS: [&'static str; 6] = ["present", "absent", "stale", "on-target", "blocked", "error"];

    /// Its word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Present => "present",
            Self::Absent => "absent",
            Self::Stale(_) => "stale",
            Self::OnTarget => "on-target",
            Self::Blocked => "blocked",
            Self::Error(_) => "error",
        }
    }

    /// Why it is stale.
    pub fn reasons(&self) -> &[Reason] {
        match self {
            Self::Stale(reasons) => reasons,
            _ => &[],
        }
    }
}

/// The kind of a backend's reason: a file is encrypted to someone whom the backend cannot write for, and who is removed when
/// it is encrypted again.
pub const RECIPIENTS: &str = "recipients";

/// What the host found of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is wrong with the receipt, or with the stored bytes as it has them; empty when all agrees.
    pub receipt: Vec<String>,
    /// The backend that the receipt names.
    pub backend: Option<String>,
    /// Recipients by file, as the receipt has them.
    pub recipients: Recipients,
    /// The secret files that were stored, as the receipt has them; none where it does not tell.
    pub stored: Option<BTreeSet<String>>,
    /// Files that are stored and belong to no one, by their paths in the entry's directory.
    pub strays: Vec<String>,
    /// Hash of the validation value that it was made for.
    pub validation: Option<Sha256>,
    /// Names of public files that are stored.
    pub public: Vec<String>,
    /// When all of it was made, in seconds since 1970.
    pub made: Option<u64>,
    /// Dependencies that it was not made from as they are now, a sentence each.
    pub outdated: Vec<String>,
    /// That this machine stored a later generation.
    pub older: Option<String>,
}

/// What the backend said: nothing when it keeps nothing here or has no secret file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It makes and keeps its files on the target.
    OnTarget,
    /// It was not asked: all files are public, or the entry is another backend's.
    Nothing,
    /// Its answer, verified.
    Checked {
        /// The recipients of each declared secret file.
        recipients: Recipients,
        /// What it found.
        state: seam::CheckState,
    },
    /// It gave none, and why.
    Failed(String),
}

/// Decides the state. Whatever cannot be determined is an error, never absent: only absence leads to generation by itself.
pub fn state(instance: &Instance, said: &Said, found: Option<&Facts>, now: u64) -> InstanceState {
    if instance.artifact.blocked {
        return InstanceState::Blocked;
    }
    match (said, found) {
        (Said::OnTarget, _) => InstanceState::OnTarget,
        (Said::Failed(why), _) => InstanceState::Error(why.clone()),
        (Said::Nothing, None) => InstanceState::Absent,
        (Said::Nothing, Some(facts)) => stored(instance, None, &[], facts, now),
        (Said::Checked { state, .. }, None) => nothing_stored(state),
        (Said::Checked { recipients, state }, Some(facts)) => match state {
            // An entry of nothing but public files has nothing of the backend in it, and still is one.
            seam::CheckState::Absent
                if facts.receipt.is_empty() && facts.stored.as_ref().is_some_and(BTreeSet::is_empty) =>
            {
                stored(instance, Some(recipients), &[], facts, now)
            }
            seam::CheckState::Absent => InstanceState::Error(
                "its backend reports that nothing is stored, but an entry exists; nothing is changed".to_owned(),
            ),
            seam::CheckState::Present => stored(instance, Some(recipients), &[], facts, now),
            seam::CheckState::Stale(reasons) => stored(instance, Some(recipients), reasons, facts, now),
        },
    }
}

fn nothing_stored(state: &seam::CheckState) -> InstanceState {
    match state {
        seam::CheckState::Absent => InstanceState::Absent,
        seam::CheckState::Present | seam::CheckState::Stale(_) => {
            InstanceState::Error("its backend reports an entry, but none is stored; nothing is changed".to_owned())
        }
    }
}

fn stored(
    instance: &Instance,
    recipients: Option<&Recipients>,
    said: &[(String, String)],
    facts: &Facts,
    now: u64,
) -> InstanceState {
    let mut reasons: Vec<Reason> =
        facts.receipt.iter().map(|why| Reason::new(ReasonKind::Receipt, why.clone())).collect();
    let files = changed_secret(instance, facts);
    let known = |kind: &str| match kind {
        "files" => ReasonKind::Files,
        RECIPIENTS => ReasonKind::Recipients,
        _ => ReasonKind::Format,
    };
    let is_known = |why: &str| files.iter().any(|reason| is_about(reason, why));
    let said = said.iter().filter(|(kind, why)| known(kind) != ReasonKind::Files || !is_known(why));
    reasons.extend(said.map(|(kind, why)| Reason::new(known(kind), why.clone())));
    reasons.extend(files);
    reasons.extend(facts.strays.iter().map(|path| Reason::stray(path)));
    if let (Some(was), Some(is)) = (&facts.backend, &instance.artifact.backend)
        && was != is.as_str()
    {
        reasons.push(Reason::new(ReasonKind::Backend, format!("stored by {was}, declared for {is}")));
    } else if let (Some(recipients), true) = (recipients, facts.receipt.is_empty()) {
        reasons.extend(changed_recipients(&facts.recipients, recipients));
    }
    reasons.extend(changed_public(instance, &facts.public));
    if facts.receipt.is_empty() {
        reasons.extend(facts.older.clone().map(Reason::older));
        if facts.validation != validation_hash(&instance.artifact.validation) {
            reasons.push(Reason::new(ReasonKind::Validation, "`validation` changed"));
        }
        if let Some(at) = expiry(instance, facts).filter(|at| *at <= now) {
            reasons.push(Reason::new(ReasonKind::Expired, format!("expired {} ago", span(now - at))));
        }
        reasons.extend(facts.outdated.iter().map(|why| Reason::new(ReasonKind::Dependency, why.clone())));
    }
    if reasons.is_empty() {
        InstanceState::Present
    } else {
        reasons.sort();
        reasons.dedup();
        InstanceState::Stale(reasons)
    }
}

/// What counts is the age that is declared now, whatever was declared when it was made.
fn expiry(instance: &Instance, facts: &Facts) -> Option<u64> {
    Some(facts.made?.saturating_add(instance.artifact.max_age?.0))
}

/// Who joined and who left, by file; files that all changed alike are reported once.
fn changed_recipients(was: &Recipients, is: &Recipients) -> Vec<Reason> {
    let mut changes: BTreeMap<(BTreeSet<String>, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    let mut unknown: Vec<&str> = Vec::new();
    for (file, after) in is {
        let file = file.as_str();
        let Some(before) = was.get(file) else { continue };
        if before == after {
            continue;
        }
        if before.is_empty() {
            unknown.push(file);
            continue;
        }
        let only = |of: &BTreeSet<String>, other: &BTreeSet<String>| of.difference(other).cloned().collect();
        changes.entry((only(after, before), only(before, after))).or_default().insert(file.to_owned());
    }
    let unknown = (!unknown.is_empty())
        .then(|| Reason::new(ReasonKind::Recipients, format!("recipients of {} are unknown", unknown.join(", "))));
    let all = is.files().count();
    changes
        .into_iter()
        .map(|((joined, left), files)| {
            let is_whole = files.len() == all;
            Reason::recipients(RecipientDelta { files, is_whole, joined, left })
        })
        .chain(unknown)
        .collect()
}

/// What the host knows from its own receipt, it does not ask the backend: which declared files were never stored, and which
/// stored ones are no longer declared.
fn changed_secret(instance: &Instance, facts: &Facts) -> Vec<Reason> {
    let Some(stored) = facts.stored.as_ref().filter(|_| facts.receipt.is_empty()) else { return Vec::new() };
    let declared: BTreeSet<&str> = instance.secret_files().map(artifacts_declared::Name::as_str).collect();
    let missing = declared.iter().filter(|file| !stored.contains(**file));
    let extra = stored.iter().filter(|file| !declared.contains(file.as_str()));
    missing
        .map(|file| Reason::unstored(file, format!("`{file}` is declared but not stored")))
        .chain(extra.map(|file| Reason::undeclared(file, format!("`{file}` is stored and no longer declared"))))
        .collect()
}

/// Whether a backend's sentence tells the same as the host does: it names the same file, by its own name for it or the declared
/// one.
fn is_about(reason: &Reason, sentence: &str) -> bool {
    match &reason.cause {
        Cause::Unstored(file) | Cause::Undeclared(file) => {
            sentence.contains(&format!("`{file}`")) || sentence.contains(&format!("`{file}."))
        }
        Cause::Stray(_) | Cause::Older | Cause::Recipients(_) | Cause::Other => false,
    }
}

fn changed_public(instance: &Instance, found: &[String]) -> Vec<Reason> {
    let declared: Vec<&str> = instance.public_files().map(artifacts_declared::Name::as_str).collect();
    let missing = declared.iter().filter(|name| !found.iter().any(|f| f == *name));
    let extra = found.iter().filter(|name| !declared.contains(&name.as_str()));
    missing
        .map(|name| Reason::unstored(name, format!("public file `{name}` is missing")))
        .chain(extra.map(|name| Reason::undeclared(name, format!("public file `{name}` is no longer declared"))))
        .collect()
}

/// Computes the SHA-256 of a validation value; none of null. Object keys are sorted first, so that order never counts.
pub fn validation_hash(value: &serde_json::Value) -> Option<Sha256> {
    if value.is_null() {
        return None;
    }
    Some(Sha256::digest(canonical(value).to_string()))
}

fn canonical(value: &serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Object(map) => {
            let sorted: BTreeMap<&String, serde_json::Value> = map.iter().map(|(k, v)| (k, canonical(v))).collect();
            sorted.into_iter().map(|(k, v)| (k.clone(), v)).collect()
        }
        serde_json::Value::Array(items) => items.iter().map(canonical).collect(),
        other => other.clone(),
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}
