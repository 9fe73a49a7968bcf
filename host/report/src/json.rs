//! What programs read: the types of the one object that `--json` prints.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::{InstanceState, Reason, ReasonKind};
use artifacts_text::command_words;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::diff::readable;
use crate::errors::likes;
use crate::json_recipients::{ExposureView, RecipientChangeView, UnitsView};
use crate::{
    AnswerRequest, Effect, Failure, FileChange, Hint, InstanceRow, Orphaned, ReadRequest, RecipientNames, Report,
    RestorableEntry, RowAction, Side, TrashedEntry, Way,
};

/// Version of this format.
const SCHEMA: u64 = 1;

/// Returns the JSON Schema (2020-12) of what commands that report on instances print with `--json`.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut value = settings.into_generator().into_root_schema_for::<ReportView>().to_value();
    value["title"] = json!("artifacts report");
    value
}

/// The report of a command on instances.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ReportView<'a> {
    /// Version of this format.
    #[schemars(extend("const" = SCHEMA))]
    schema: u64,
    /// The instances, by name.
    instances: Vec<RowView<'a>>,
    /// Everything that failed.
    errors: Vec<FailureView<'a>>,
    /// Recipients that change, or would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<RecipientChangeView<'a>>,
    /// Value for `--accept-recipients`: it accepts exactly these recipients.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipients_digest: Option<&'a str>,
    /// Instances whose secrets a generator reads for the first time, or would.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    read_requests: &'a [ReadRequest],
    /// Instances whose generator gets what a person enters, and could pass it on, for the first time, or would.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    answer_requests: &'a [AnswerRequest],
    /// Orphaned entries that were moved to the trash, or would be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trashed: Vec<TrashedView<'a>>,
    /// Entries in the trash that this machine moved there, and those that came back or left it, or would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    trash: Vec<RestorableView<'a>>,
    /// Number of the values that were encrypted again whose old files someone could read, by their name or key.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    former: &'a BTreeMap<String, usize>,
    /// What a recipient could read.
    #[serde(skip_serializing_if = "Option::is_none")]
    exposure: Option<ExposureView<'a>>,
    /// Entries that no declaration owns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    orphaned: Vec<OrphanedView<'a>>,
    /// Number of instances that were decrypted, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    decrypted: Option<u64>,
    /// Number of instances that were written, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<u64>,
    /// What `import` found: `module`, the declarations in Nix, and the `file` that has them; `references`, old and new; `remarks`;
    /// `removable`, old options whose values are stored; `uncompared`, those of which another value may be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    import: Option<&'a Value>,
}

/// An instance.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct RowView<'a> {
    /// Full name of the instance.
    name: String,
    /// Name of its backend, if it is known.
    backend: Option<&'a str>,
    /// State of the instance.
    #[schemars(schema_with = "states")]
    state: &'static str,
    /// Why it is stale.
    reasons: Vec<ReasonView<'a>>,
    /// Whether git's index has the entry as it is stored; null without git, and if nothing is stored.
    staged: Option<bool>,
    /// Why its state cannot be determined.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// What was done to it, or would be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "actions")]
    done: Option<&'static str>,
    /// What to do about its state, what keeps the value first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<HintView>,
    /// Files that were written, or would be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileChangeView<'a>>,
    /// Seconds until the value expires, where that is soon, or within the time that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "expiresIn")]
    expires_in: Option<u64>,
    /// Units of each target that take notice of its new value.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    units: Vec<UnitsView<'a>>,
    /// True where it was left to be replaced by hand, since it is declared so.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    manual: bool,
    /// Notes for people, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
}

/// A reason for which an entry is stale.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct ReasonView<'a> {
    /// Kind of the reason.
    #[schemars(schema_with = "reasons")]
    kind: &'static str,
    /// One sentence.
    message: &'a str,
}

/// Something that failed.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FailureView<'a> {
    /// The instance, target, backend or selector that failed; empty if it is none of these.
    subject: &'a str,
    /// Backend of the subject, if it has one.
    backend: Option<&'a str>,
    /// What failed.
    message: &'a str,
    /// Kind of the error, if it has one.
    kind: Option<&'a str>,
    /// What was found, if something was compared.
    found: Option<&'a str>,
    /// What was expected, if something was compared.
    expected: Option<&'a str>,
    /// What to do.
    hint: Option<&'a str>,
    /// Words of the hint, if it is one command.
    command: Option<Vec<String>>,
    /// Number of errors of this command that differ from it in nothing but the subject, and itself.
    count: usize,
    /// Subjects of these errors, at most three.
    subjects: Vec<&'a str>,
}

/// Something to do about a state: a command or a text.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct HintView {
    /// What it does to the stored value.
    #[schemars(schema_with = "effects")]
    effect: &'static str,
    /// Words of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    /// A change that no command makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
}

/// A file that is written, or would be.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct FileChangeView<'a> {
    /// Declared name, now or before.
    file: &'a str,
    /// The stored file; null if it is new.
    before: Option<SideView<'a>>,
    /// The file that replaces it; null if it is removed.
    after: Option<SideView<'a>>,
}

/// A file before or after a change. It holds no secret.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(deny_unknown_fields)]
enum SideView<'a> {
    /// A secret file.
    Secret {
        /// Always true.
        #[schemars(extend("const" = true))]
        secret: bool,
        /// Size as it is stored, in bytes, if it is known.
        size: Option<u64>,
        /// Recipients, if they are known.
        recipients: Option<&'a BTreeSet<String>>,
        /// Their labels, by key, for people. What anyone could have written is in quotes.
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        labels: BTreeMap<&'a str, String>,
    },
    /// A public file.
    Public {
        /// Always false.
        #[schemars(extend("const" = false))]
        secret: bool,
        /// Size in bytes, if it is known.
        size: Option<u64>,
        /// Content, if it is known and a text.
        text: Option<&'a str>,
    },
}

/// An entry that no declaration owns.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct OrphanedView<'a> {
    /// Full name of its instance.
    name: &'a str,
    /// Storage that contains it.
    storage: &'a str,
    /// Backend that stored it, if it is known.
    backend: Option<&'a str>,
    /// What to do about it.
    hints: Vec<HintView>,
}

/// An orphaned entry that was moved to the trash, or would be.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct TrashedView<'a> {
    /// Full name of its instance.
    name: &'a str,
    /// Storage that contained it.
    storage: &'a str,
    /// Backend that stored it, if it is known.
    backend: Option<&'a str>,
    /// Number of its files, if it is known.
    files: Option<usize>,
    /// Size of its files, in bytes, if it is known.
    bytes: Option<u64>,
    /// Its files.
    contents: Vec<FileChangeView<'a>>,
    /// What was done to it, or would be.
    #[schemars(schema_with = "actions")]
    done: &'static str,
    /// Path in the trash, once it was moved there.
    trash: Option<&'a str>,
}

/// An entry in the trash, or one that came back or left it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct RestorableView<'a> {
    /// Full name of its instance.
    name: String,
    /// Storage that it was in.
    storage: &'a str,
    /// Value for `--at`: the time at which it went to the trash, with more where two entries of the instance have the same.
    at: &'a str,
    /// Command that moved it there, if it is known.
    command: Option<&'a str>,
    /// Backend that stored it, if it is known.
    backend: Option<&'a str>,
    /// Number of its files.
    files: usize,
    /// Size of its files, in bytes.
    bytes: u64,
    /// Its files.
    contents: Vec<FileChangeView<'a>>,
    /// Time at which its value was generated, if it is known.
    generated: Option<&'a str>,
    /// Time at which a later value of the instance was generated; null if there is none.
    newer: Option<&'a str>,
    /// Keys that can decrypt it; null if they are unknown.
    recipients: Option<&'a BTreeSet<String>>,
    /// Those of them that are not accepted for the instance.
    unaccepted: &'a BTreeSet<String>,
    /// Labels of these recipients, by key, for people. What anyone could have written is in quotes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, String>,
    /// What else there is to say of it, a sentence each.
    notes: &'a [String],
    /// What was done to it, or would be; null if it is only listed.
    #[schemars(schema_with = "action_or_null")]
    done: Option<&'static str>,
    /// Path in the trash of the entry that it replaced.
    replaced: Option<&'a str>,
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Schema {
    json_schema!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()})
}

fn states(_: &mut SchemaGenerator) -> Schema {
    words(InstanceState::WORDS)
}

fn reasons(_: &mut SchemaGenerator) -> Schema {
    words(ReasonKind::ALL.map(ReasonKind::as_str))
}

fn actions(_: &mut SchemaGenerator) -> Schema {
    words(RowAction::ALL.map(RowAction::as_str))
}

fn action_or_null(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<Option<&str>> = RowAction::ALL.map(|action| Some(action.as_str())).into_iter().chain([None]).collect();
    json_schema!({"enum": all})
}

fn effects(_: &mut SchemaGenerator) -> Schema {
    words(Effect::ALL.map(Effect::as_str))
}

impl<'a> From<&'a Report> for ReportView<'a> {
    fn from(report: &'a Report) -> Self {
        let names = &report.names;
        Self {
            schema: SCHEMA,
            instances: report.rows.iter().map(|(name, row)| RowView::new(name, row, names)).collect(),
            errors: report
                .errors
                .iter()
                .zip(likes(&report.errors))
                .map(|(failure, (count, subjects))| FailureView { count, subjects, ..FailureView::from(failure) })
                .collect(),
            recipients: report.recipients.iter().map(|change| RecipientChangeView::new(change, names)).collect(),
            recipients_digest: report.recipients_digest.as_deref(),
            read_requests: &report.read_requests,
            answer_requests: &report.answer_requests,
            trashed: report.trashed.iter().map(|entry| TrashedView::new(entry, names)).collect(),
            trash: report.restorable.iter().map(|entry| RestorableView::new(entry, names)).collect(),
            former: &report.former,
            exposure: report.exposure.as_ref().map(ExposureView::from),
            orphaned: report.orphaned.iter().map(OrphanedView::from).collect(),
            decrypted: report.counts.map(|(decrypted, _)| decrypted),
            written: report.counts.map(|(_, written)| written),
            import: report.import.as_ref(),
        }
    }
}

impl<'a> RowView<'a> {
    fn new(name: &'a InstanceName, row: &'a InstanceRow, names: &RecipientNames) -> Self {
        // What was done to it is the answer to its state.
        let hints = if row.done.is_none() { row.hints.as_slice() } else { &[] };
        Self {
            name: name.to_string(),
            backend: row.backend.as_deref(),
            state: row.state.as_str(),
            reasons: row.state.reasons().iter().map(ReasonView::from).collect(),
            staged: row.staged,
            error: if let InstanceState::Error(why) = &row.state { Some(why) } else { None },
            done: row.done.map(RowAction::as_str),
            hints: hints.iter().map(HintView::from).collect(),
            files: row.files.iter().map(|change| FileChangeView::new(change, names)).collect(),
            expires_in: row.expires_in,
            units: row.units.iter().filter(|_| row.done.is_some()).map(UnitsView::from).collect(),
            manual: row.is_manual,
            notes: row.lines().collect(),
        }
    }
}

impl<'a> From<&'a Reason> for ReasonView<'a> {
    fn from(reason: &'a Reason) -> Self {
        Self { kind: reason.kind.as_str(), message: &reason.message }
    }
}

impl<'a> From<&'a Failure> for FailureView<'a> {
    fn from(failure: &'a Failure) -> Self {
        Self {
            subject: &failure.subject,
            backend: failure.backend.as_deref(),
            message: &failure.message,
            kind: failure.kind,
            hint: failure.hint.as_deref(),
            command: failure.hint.as_deref().and_then(command_words),
            found: failure.details.comparison.found.as_deref(),
            expected: failure.details.comparison.expected.as_deref(),
            count: 1,
            subjects: vec![&failure.subject],
        }
    }
}

impl From<&Hint> for HintView {
    fn from(hint: &Hint) -> Self {
        let (command, text) = match &hint.way {
            Way::Command(words) => (Some(words.clone()), None),
            Way::Text(text) => (None, Some(text.clone())),
        };
        Self { effect: hint.effect.as_str(), command, text }
    }
}

impl<'a> FileChangeView<'a> {
    fn new(change: &'a FileChange, names: &RecipientNames) -> Self {
        let side = |side: &'a Option<Side>| side.as_ref().map(|side| SideView::new(side, names));
        Self { file: &change.file, before: side(&change.before), after: side(&change.after) }
    }
}

impl<'a> SideView<'a> {
    fn new(side: &'a Side, names: &RecipientNames) -> Self {
        match side {
            Side::Secret { size, recipients } => {
                let labels = names.labels(recipients.iter().flatten());
                Self::Secret { secret: true, size: *size, recipients: recipients.as_ref(), labels }
            }
            Side::Public { size, content } => {
                Self::Public { secret: false, size: *size, text: content.as_deref().and_then(readable) }
            }
        }
    }
}

impl<'a> From<&'a Orphaned> for OrphanedView<'a> {
    fn from(orphaned: &'a Orphaned) -> Self {
        let Orphaned { name, storage, backend, hints } = orphaned;
        Self { name, storage, backend: backend.as_deref(), hints: hints.iter().map(HintView::from).collect() }
    }
}

impl<'a> TrashedView<'a> {
    fn new(entry: &'a TrashedEntry, names: &RecipientNames) -> Self {
        Self {
            name: &entry.name,
            storage: &entry.storage,
            backend: entry.backend.as_deref(),
            files: entry.size.map(|(files, _)| files),
            bytes: entry.size.map(|(_, bytes)| bytes),
            contents: entry.contents.iter().map(|change| FileChangeView::new(change, names)).collect(),
            done: entry.done.as_str(),
            trash: entry.trash.as_deref(),
        }
    }
}

impl<'a> RestorableView<'a> {
    fn new(entry: &'a RestorableEntry, names: &RecipientNames) -> Self {
        Self {
            name: entry.name.to_string(),
            storage: &entry.storage,
            at: &entry.at,
            command: entry.command.as_deref(),
            backend: entry.backend.as_deref(),
            files: entry.size.0,
            bytes: entry.size.1,
            contents: entry.contents.iter().map(|change| FileChangeView::new(change, names)).collect(),
            generated: entry.generated.as_deref(),
            newer: entry.newer.as_deref(),
            recipients: entry.recipients.as_ref(),
            unaccepted: &entry.unaccepted,
            labels: names.labels(entry.recipients.iter().flatten()),
            notes: &entry.notes,
            done: entry.done.map(RowAction::as_str),
            replaced: entry.replaced.as_deref(),
        }
    }
}

impl Report {
    /// Returns the one object that `--json` prints.
    pub fn json(&self) -> Value {
        to_value(&ReportView::from(self))
    }
}

impl Failure {
    /// Returns it as `--json` has it.
    pub fn json(&self) -> Value {
        to_value(&FailureView::from(self))
    }
}

/// Only a map with keys that are no strings could fail, and there is none.
fn to_value(view: &impl Serialize) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_tells_how_many_are_like_it() {
        let errors = (0..5).map(|at| Failure::new(format!("shared/{at}"), "no room")).collect();
        let report = Report { errors, ..Report::default() }.json();
        assert_eq!(report["errors"].as_array().map(Vec::len), Some(5), "{report}");
        assert_eq!(report["errors"][4]["count"], 5);
        assert_eq!(report["errors"][4]["subjects"], json!(["shared/0", "shared/1", "shared/2"]));
        assert_eq!(report["errors"][4]["subject"], "shared/4");
    }

    #[test]
    fn a_hint_that_is_one_command_has_its_words_beside_it() {
        let of = |hint: &str| Failure::new("shared/a", "not generated yet").hint(Some(hint)).json();
        let one = of("`artifacts generate 'shared/a b'`");
        assert_eq!(one["command"], json!(["artifacts", "generate", "shared/a b"]));
        assert_eq!(one["hint"], "`artifacts generate 'shared/a b'`");
        assert_eq!(of("declare it again")["command"], Value::Null);
        assert_eq!(Failure::new("", "it failed").json()["command"], Value::Null);
    }
}
