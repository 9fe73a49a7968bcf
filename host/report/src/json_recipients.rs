//! What programs read of recipients, and of values that are replaced or may have to be.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::InstanceName;
use artifacts_plan::UnitChanges;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{ExposedValue, Exposure, RecipientChange, RecipientNames};

/// Whom a file was encrypted to, and whom it would be.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RecipientChangeView<'a> {
    /// The instance's name.
    instance: &'a str,
    /// The file.
    file: &'a str,
    /// The recipients that were agreed to.
    before: &'a BTreeSet<String>,
    /// Those that it would have.
    after: &'a BTreeSet<String>,
    /// Labels of these recipients, by key, for people. What anyone could have written is in quotes.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'a str, String>,
}

/// What a recipient could read.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct ExposureView<'a> {
    /// The recipient, as it was passed.
    who: &'a str,
    /// Their keys, as they are shown.
    keys: &'a [String],
    /// The values, dependencies first.
    values: Vec<ExposedView<'a>>,
    /// What could not be searched.
    gaps: &'a [String],
}

/// A value that a recipient could read.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
struct ExposedView<'a> {
    /// Full name of the instance.
    name: String,
    /// Whether a stored entry names them as a recipient.
    stored: bool,
    /// Whether this machine accepted them for it last.
    accepted: bool,
    /// Number of entries in the trash that name them.
    trash: usize,
    /// Number of versions in git's history that name them.
    history: usize,
    /// Names under which it was stored then.
    former: &'a BTreeSet<InstanceName>,
    /// Whether an entry of it has unknown recipients.
    unknown: bool,
    /// What it was generated from, of what they could read.
    from: &'a BTreeSet<InstanceName>,
    /// Whether they are declared as its recipient now.
    recipient: bool,
    /// Whether it is declared, and a value of it is stored.
    replaceable: bool,
    /// Whether it is replaced by hand.
    manual: bool,
    /// Whether its value is a new one; null if that is not known.
    new_value: Option<bool>,
}

/// Units of a target that take notice of a new value.
#[derive(Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct UnitsView<'a> {
    /// Kind of the target.
    kind: &'static str,
    /// Name of the target.
    target: &'a str,
    /// Units that are restarted.
    restart: &'a BTreeSet<String>,
    /// Units that are reloaded.
    reload: &'a BTreeSet<String>,
}

impl<'a> From<&'a Exposure> for ExposureView<'a> {
    fn from(Exposure { who, keys, values, gaps, is_shown: _ }: &'a Exposure) -> Self {
        Self { who, keys, values: values.iter().map(ExposedView::from).collect(), gaps }
    }
}

impl<'a> From<&'a ExposedValue> for ExposedView<'a> {
    fn from(value: &'a ExposedValue) -> Self {
        Self {
            name: value.name.to_string(),
            stored: value.is_stored,
            accepted: value.is_accepted,
            trash: value.trash,
            history: value.history,
            former: &value.former,
            unknown: value.is_unknown,
            from: &value.from,
            recipient: value.is_recipient,
            replaceable: value.is_replaceable,
            manual: value.is_manual,
            new_value: value.is_new,
        }
    }
}

impl<'a> From<&'a UnitChanges> for UnitsView<'a> {
    fn from(UnitChanges { target, restarted, reloaded }: &'a UnitChanges) -> Self {
        Self { kind: target.kind.as_str(), target: target.name.as_str(), restart: restarted, reload: reloaded }
    }
}

impl<'a> RecipientChangeView<'a> {
    pub(crate) fn new(change: &'a RecipientChange, names: &RecipientNames) -> Self {
        let RecipientChange { instance, file, before, after, is_first: _ } = change;
        Self { instance, file, before, after, labels: names.labels(before.union(after)) }
    }
}
