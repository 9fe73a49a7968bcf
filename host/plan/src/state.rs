use std::collections::BTreeMap;
use std::fmt::Write as _;

use artifacts_seam as seam;
use artifacts_spec::InstanceName;
use sha2::{Digest as _, Sha256};

use crate::Instance;

/// What an instance is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Stored, whole, for the readers that are declared.
    Present,
    /// Not stored: the backend says so, and the host finds no slice.
    Absent,
    /// Stored, but not as declared.
    Stale(Vec<Reason>),
    /// Made on the target; nothing is stored here.
    OnTarget,
    /// Its declaration reads a public value that is not there yet.
    Blocked,
    /// It cannot be told; nothing is done to it.
    Error(String),
}

impl State {
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

/// Why an instance is stale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reason {
    /// `readers`, `files`, `receipt`, `validation`, `dependency`, `expired` or `format`.
    pub kind: &'static str,
    /// One sentence.
    pub message: String,
}

impl Reason {
    /// A dependency was made again after this instance.
    pub fn made_again(dependency: &InstanceName) -> Self {
        Self::new("dependency", format!("{dependency} was made again since"))
    }

    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// The kind of a backend's reason: a file is encrypted to somebody whom the backend cannot write for, and who is removed when
/// it is encrypted again.
pub const RECIPIENTS: &str = "recipients";

/// What the host found of a slice.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What is wrong with the receipt, or with the stored bytes as it has them; empty when all agrees.
    pub receipt: Vec<String>,
    /// The backend that the receipt names.
    pub backend: Option<String>,
    /// Readers by file, as the receipt has them.
    pub readers: BTreeMap<String, Vec<String>>,
    /// Hash of the validation value that it was made for.
    pub validation: Option<String>,
    /// Names of public files that lie there.
    pub public: Vec<String>,
    /// When all of it was made, in seconds since 1970.
    pub made: Option<u64>,
    /// Dependencies that it was not made from as they are now, a sentence each.
    pub outdated: Vec<String>,
}

/// What the backend said: nothing when it keeps nothing here or has no secret file to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// It makes and keeps its files on the target.
    OnTarget,
    /// It was not asked: all files are public, or the slice is another backend's.
    Nothing,
    /// Its answer.
    Checked(seam::Checked),
    /// It gave none, and why.
    Failed(String),
}

/// Decides the state. Whatever cannot be told is an error, never absent: only absence leads to generation by itself.
pub fn state(instance: &Instance, said: &Said, found: Option<&Facts>, now: u64) -> State {
    if instance.blocked {
        return State::Blocked;
    }
    match (said, found) {
        (Said::OnTarget, _) => State::OnTarget,
        (Said::Failed(why), _) => State::Error(why.clone()),
        (Said::Nothing, None) => State::Absent,
        (Said::Nothing, Some(facts)) => stored(instance, None, &[], facts, now),
        (Said::Checked(checked), None) => nothing_stored(&checked.state),
        (Said::Checked(checked), Some(facts)) => match &checked.state {
            // A slice of nothing but public files has nothing of the backend in it, and still is one.
            seam::State::Absent if facts.readers.is_empty() && facts.receipt.is_empty() => stored(
                instance,
                Some(checked),
                &[("files".to_owned(), "no secret file is stored".to_owned())],
                facts,
                now,
            ),
            seam::State::Absent => State::Error(
                "its backend says that nothing is stored, but a slice lies there; nothing is done to it".to_owned(),
            ),
            seam::State::Present => stored(instance, Some(checked), &[], facts, now),
            seam::State::Stale(reasons) => stored(instance, Some(checked), reasons, facts, now),
        },
    }
}

fn nothing_stored(state: &seam::State) -> State {
    match state {
        seam::State::Absent => State::Absent,
        seam::State::Present | seam::State::Stale(_) => State::Error(
            "its backend says that something is stored, but there is no slice; nothing is done to it".to_owned(),
        ),
    }
}

fn stored(
    instance: &Instance,
    checked: Option<&seam::Checked>,
    said: &[(String, String)],
    facts: &Facts,
    now: u64,
) -> State {
    let mut reasons: Vec<Reason> = facts.receipt.iter().map(|why| Reason::new("receipt", why.clone())).collect();
    let known = |kind: &str| match kind {
        "files" => "files",
        RECIPIENTS => "readers",
        _ => "format",
    };
    reasons.extend(said.iter().map(|(kind, why)| Reason::new(known(kind), why.clone())));
    if let (Some(was), Some(is)) = (&facts.backend, &instance.backend)
        && was != is.as_str()
    {
        reasons.push(Reason::new("format", format!("it is stored by {was}, and declared for {is}")));
    } else if let (Some(checked), true) = (checked, facts.receipt.is_empty()) {
        reasons.extend(changed_readers(&facts.readers, &checked.readers));
    }
    reasons.extend(changed_public(instance, &facts.public));
    if facts.receipt.is_empty() {
        if facts.validation != validation_hash(&instance.validation) {
            reasons.push(Reason::new("validation", "its `validation` changed since it was made"));
        }
        if let Some(at) = expiry(instance, facts).filter(|at| *at <= now) {
            reasons.push(Reason::new("expired", format!("it expired {} ago", span(now - at))));
        }
        reasons.extend(facts.outdated.iter().map(|why| Reason::new("dependency", why.clone())));
    }
    if reasons.is_empty() {
        State::Present
    } else {
        reasons.sort();
        reasons.dedup();
        State::Stale(reasons)
    }
}

/// What counts is the age that is declared now, whatever was declared when it was made.
fn expiry(instance: &Instance, facts: &Facts) -> Option<u64> {
    Some(facts.made?.saturating_add(instance.max_age?))
}

/// Who joined and who left, by file; files that all changed alike are told once.
fn changed_readers(was: &BTreeMap<String, Vec<String>>, is: &[(String, Vec<String>)]) -> Vec<Reason> {
    let mut told: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    let mut unknown: Vec<&str> = Vec::new();
    for (file, readers) in is {
        let Some(before) = was.get(file) else { continue };
        if before == readers {
            continue;
        }
        if before.is_empty() {
            unknown.push(file);
            continue;
        }
        let joined = readers.iter().filter(|r| !before.contains(r)).count();
        let left = before.iter().filter(|r| !readers.contains(r)).count();
        told.entry(format!("{joined} joined, {left} left")).or_default().push(file);
    }
    let unknown =
        (!unknown.is_empty()).then(|| Reason::new("readers", format!("who reads {} is not known", unknown.join(", "))));
    told.into_iter()
        .map(|(change, files)| Reason::new("readers", format!("readers of {} changed: {change}", files.join(", "))))
        .chain(unknown)
        .collect()
}

fn changed_public(instance: &Instance, found: &[String]) -> Vec<Reason> {
    let declared: Vec<&str> = instance.public_files().map(artifacts_spec::Name::as_str).collect();
    let missing = declared.iter().filter(|name| !found.iter().any(|f| f == *name));
    let extra = found.iter().filter(|name| !declared.contains(&name.as_str()));
    missing
        .map(|name| Reason::new("files", format!("public file `{name}` is missing")))
        .chain(extra.map(|name| Reason::new("files", format!("public file `{name}` is no longer declared"))))
        .collect()
}

/// SHA-256 in hex of a validation value; none for null. Object keys are sorted first, so that order never counts.
pub fn validation_hash(value: &serde_json::Value) -> Option<String> {
    if value.is_null() {
        return None;
    }
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(canonical(value).to_string()) {
        let _ = write!(hex, "{byte:02x}");
    }
    Some(hex)
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
