//! What a person reads, and the JSON that programs read. Renders; never prints.

mod answer_requests;
mod checkup;
mod checkup_json;
mod diff;
mod errors;
mod exposure;
mod failure;
mod files;
mod hints;
mod json;
mod json_recipients;
mod layout;
mod next;
mod orphaned;
mod progress_line;
mod read_requests;
mod recipient_names;
mod recipient_page;
mod recipients;
mod replaced;
mod restorable;
mod result_page;
mod status_page;
mod style;
mod summary;
#[cfg(test)]
mod testing;
mod text;
mod trashed;

use std::collections::BTreeMap;

use artifacts_declared::InstanceName;
use artifacts_plan::{InstanceState, UnitChanges};

pub use answer_requests::{AnswerRequest, answer_requests};
pub use checkup::{Area, Checkup, HealthFinding, Verdict};
pub use checkup_json::checkup_schema;
pub use diff::diff;
pub use errors::failures;
pub use exposure::{ExposedValue, Exposure};
pub use failure::{Failure, FailureDetails};
pub use files::{FileChange, Side};
pub use hints::{Effect, Hint, Way, hint_line};
pub use json::schema;
pub use orphaned::Orphaned;
pub use progress_line::ProgressLine;
pub use read_requests::{ReadRequest, read_requests};
pub use recipient_names::{KnownRecipient, RecipientNames};
pub use recipient_page::{changed_secrets, recipient_page, recipient_summary};
pub use recipients::{EVERYONE, RecipientChange};
pub use replaced::{ReplacedValue, replaced_values};
pub use restorable::{RestorableEntry, restorable};
pub use result_page::NowStale;
pub use status_page::{RowFilter, days};
pub use style::{ReportPage, Style};
pub use text::{field, note, warning};
pub use trashed::{TrashedEntry, trashed};

/// What a command found or did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every instance that the command looked at.
    pub rows: BTreeMap<InstanceName, InstanceRow>,
    /// Everything that failed.
    pub errors: Vec<Failure>,
    /// Recipients that change, or would.
    pub recipients: Vec<RecipientChange>,
    /// Whose the recipients are that it names.
    pub names: RecipientNames,
    /// What stands for the recipients that have to be accepted: `--accept-recipients` takes it. None when there are none.
    pub recipients_digest: Option<String>,
    /// Secrets that are read for others for the first time, or would be.
    pub read_requests: Vec<ReadRequest>,
    /// Generators that get what a person enters, and could pass it on, for the first time.
    pub answer_requests: Vec<AnswerRequest>,
    /// Slices without an owner that were removed, or would be.
    pub trashed: Vec<TrashedEntry>,
    /// What is in the trash, and what came back or left it, or would.
    pub restorable: Vec<RestorableEntry>,
    /// Entries that no declaration owns.
    pub orphaned: Vec<Orphaned>,
    /// What a recipient could read.
    pub exposure: Option<Exposure>,
    /// Of how many of the values that were encrypted again someone could read the old files, by their name or key.
    pub former: BTreeMap<String, usize>,
    /// How many instances were opened and how many written, where that counts.
    pub counts: Option<(u64, u64)>,
    /// What an import found besides, for programs.
    pub import: Option<serde_json::Value>,
    /// Stored instances that what was done made stale.
    pub now_stale: Vec<NowStale>,
    /// Whether nothing was to be written.
    pub is_preview: bool,
    /// Whether the rows are those of everything that is declared.
    pub is_complete: bool,
}

/// Holds what is said of one instance.
#[derive(Debug, Clone)]
pub struct InstanceRow {
    /// The backend that stores it, if that is known.
    pub backend: Option<String>,
    /// What it is now.
    pub state: InstanceState,
    /// Whether git knows the entry as it is stored; none without git, and of what is not stored.
    pub staged: Option<bool>,
    /// What was done to it, if anything.
    pub done: Option<RowAction>,
    /// What would be written, or which public files were.
    pub files: Vec<FileChange>,
    /// What else there is to say, a line each. No secret.
    pub notes: Vec<String>,
    /// Sentences for programs alone, about what the fields below tell a person.
    pub sentences: Vec<String>,
    /// What to do about its state, what keeps the value first.
    pub hints: Vec<Hint>,
    /// How many recipients its secret files have together, or would have.
    pub recipients: Option<usize>,
    /// The day on which the value was generated, such as `2026-01-31`.
    pub day: Option<String>,
    /// Seconds until the value expires, where that is soon.
    pub expires_in: Option<u64>,
    /// Whether it is work left that it expires then: someone asked for that.
    pub is_due: bool,
    /// Prompts without an answer.
    pub prompts: Vec<String>,
    /// What it waits for.
    pub needs: Option<Need>,
    /// Why git does not know the entry as it is stored, where it does not.
    pub unstaged: Option<Unstaged>,
    /// The file that was stored, of a command for one file.
    pub file: Option<String>,
    /// How many stored files would be replaced, and their bytes.
    pub replaces: Option<(usize, u64)>,
    /// The units that take notice of its new value.
    pub units: Vec<UnitChanges>,
    /// Whether its value was left to be replaced by hand.
    pub is_manual: bool,
}

/// What a blocked instance waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The instance that has to be generated first.
    pub instance: InstanceName,
    /// The public file of it that is read, if that is known.
    pub file: Option<String>,
}

/// Why git does not know an entry as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unstaged {
    /// One sentence.
    pub why: String,
    /// What to do.
    pub hints: Vec<Hint>,
}

/// What was done to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowAction {
    /// It was generated for the first time.
    Generated,
    /// It was generated again: its value changed.
    Regenerated,
    /// It would be generated for the first time.
    WouldGenerate,
    /// It would be generated again.
    WouldRegenerate,
    /// It was re-encrypted: its value is kept.
    Reencrypted,
    /// It would be re-encrypted.
    WouldReencrypt,
    /// Its value was stored under its name, and had another one before.
    Renamed,
    /// The value of another name would be stored under its name.
    WouldRename,
    /// A file of it was given by a person.
    Set,
    /// A file of it would be stored.
    WouldSet,
    /// It was moved to the trash.
    Trashed,
    /// It would be moved to the trash.
    WouldTrash,
    /// Its stored files were accepted.
    Adopted,
    /// Its stored files would be accepted.
    WouldAdopt,
    /// It came back from the trash.
    Restored,
    /// It would come back from the trash.
    WouldRestore,
    /// It was removed from the trash for good.
    Removed,
    /// It would be removed from the trash for good.
    WouldRemove,
    /// The value of another tool's files was stored.
    Imported,
    /// The value of another tool's files would be stored.
    WouldImport,
}

impl RowAction {
    /// Every action.
    pub const ALL: [Self; 20] = [
        Self::Generated,
        Self::Regenerated,
        Self::WouldGenerate,
        Self::WouldRegenerate,
        Self::Reencrypted,
        Self::WouldReencrypt,
        Self::Renamed,
        Self::WouldRename,
        Self::Set,
        Self::WouldSet,
        Self::Trashed,
        Self::WouldTrash,
        Self::Adopted,
        Self::WouldAdopt,
        Self::Restored,
        Self::WouldRestore,
        Self::Removed,
        Self::WouldRemove,
        Self::Imported,
        Self::WouldImport,
    ];

    /// Whether it is not done yet.
    pub fn is_to_come(self) -> bool {
        matches!(
            self,
            Self::WouldGenerate
                | Self::WouldRegenerate
                | Self::WouldReencrypt
                | Self::WouldRename
                | Self::WouldSet
                | Self::WouldTrash
                | Self::WouldAdopt
                | Self::WouldRestore
                | Self::WouldRemove
                | Self::WouldImport
        )
    }

    /// Returns its word, as `--json` and tables have it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Regenerated => "regenerated",
            Self::WouldGenerate => "would generate",
            Self::WouldRegenerate => "would regenerate",
            Self::Reencrypted => "re-encrypted",
            Self::WouldReencrypt => "would re-encrypt",
            Self::Renamed => "renamed",
            Self::WouldRename => "would rename",
            Self::Set => "set",
            Self::WouldSet => "would set",
            Self::Trashed => "trashed",
            Self::WouldTrash => "would trash",
            Self::Adopted => "adopted",
            Self::WouldAdopt => "would adopt",
            Self::Restored => "restored",
            Self::WouldRestore => "would restore",
            Self::Removed => "removed",
            Self::WouldRemove => "would remove",
            Self::Imported => "imported",
            Self::WouldImport => "would import",
        }
    }
}

impl InstanceRow {
    /// Creates the row of an instance that was found in this state, of which nothing else is said yet.
    pub fn new(backend: Option<String>, state: InstanceState) -> Self {
        Self {
            backend,
            state,
            staged: None,
            done: None,
            files: Vec::new(),
            notes: Vec::new(),
            sentences: Vec::new(),
            hints: Vec::new(),
            recipients: None,
            day: None,
            expires_in: None,
            is_due: false,
            prompts: Vec::new(),
            needs: None,
            unstaged: None,
            file: None,
            replaces: None,
            units: Vec::new(),
            is_manual: false,
        }
    }
}

impl Report {
    /// Takes over what instances have become.
    pub fn update<'a>(&mut self, states: impl IntoIterator<Item = (&'a InstanceName, &'a InstanceState)>) {
        for (name, state) in states {
            if let Some(row) = self.rows.get_mut(name) {
                row.state = state.clone();
            }
        }
    }

    /// Marks the rows of these instances; those without one are passed over.
    pub fn mark<'a>(&mut self, names: impl IntoIterator<Item = &'a InstanceName>, action: RowAction) {
        for name in names {
            if let Some(row) = self.rows.get_mut(name) {
                row.done = Some(action);
            }
        }
    }

    /// Takes a later report of the same command in: its rows take the place of earlier ones.
    pub fn merge(&mut self, later: Self) {
        self.rows.extend(later.rows);
        self.errors.extend(later.errors);
        self.recipients.extend(later.recipients);
        self.names.extend(later.names);
        self.recipients_digest = later.recipients_digest.or(self.recipients_digest.take());
        self.read_requests.extend(later.read_requests);
        // What was made stale and generated after that is not stale.
        self.now_stale.extend(later.now_stale);
        self.now_stale.retain(|stale| self.rows.get(&stale.name).is_none_or(|row| row.done.is_none()));
        self.is_complete |= later.is_complete;
        self.answer_requests.extend(later.answer_requests);
    }

    /// Adds the failures that are not there yet.
    pub fn add_errors(&mut self, failures: impl IntoIterator<Item = Failure>) {
        for failure in failures {
            if !self.errors.contains(&failure) {
                self.errors.push(failure);
            }
        }
    }

    /// Whether a value is left that a recipient could read and that was not replaced.
    fn is_exposed(&self) -> bool {
        self.exposure.as_ref().is_some_and(|exposure| exposure.is_open(|name| self.is_replaced(name)))
    }

    /// Whether this run stored a new value.
    pub(crate) fn is_replaced(&self, name: &InstanceName) -> bool {
        self.rows.get(name).is_some_and(|row| row.done == Some(RowAction::Regenerated))
    }

    /// 1 when something failed, else 3 when work is left, else 0.
    pub fn exit_status(&self) -> u8 {
        let left = |row: &InstanceRow| {
            matches!(row.state, InstanceState::Absent | InstanceState::Stale(_) | InstanceState::Blocked)
                || row.staged == Some(false)
                || row.is_due
        };
        if !self.errors.is_empty() {
            1
        } else if self.rows.values().any(left) || !self.orphaned.is_empty() || self.is_exposed() {
            3
        } else {
            0
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A report with that many rows in one state.
    fn rows(count: usize, state: &InstanceState) -> Report {
        let row = |number| (name(number), InstanceRow::new(None, state.clone()));
        Report { rows: (0..count).map(row).collect(), ..Report::default() }
    }

    fn name(number: usize) -> InstanceName {
        format!("shared/a{number}").parse().unwrap()
    }

    #[test]
    fn rows_are_found_by_name_however_many_there_are() {
        const MANY: usize = 20_000;
        let mut report = rows(MANY, &InstanceState::Absent);
        assert_eq!(report.exit_status(), 3);
        let mut later = rows(MANY / 2, &InstanceState::Blocked);
        later.rows.insert(name(MANY), InstanceRow::new(None, InstanceState::Blocked));
        report.merge(later);
        let blocked = |report: &Report| report.rows.values().filter(|row| row.state == InstanceState::Blocked).count();
        assert_eq!((report.rows.len(), blocked(&report)), (MANY + 1, MANY / 2 + 1), "a later row replaces an earlier");
        let names: Vec<InstanceName> = (0..=MANY + 1).map(name).collect();
        report.update(names.iter().map(|name| (name, &InstanceState::Present)));
        assert_eq!((report.rows.len(), report.exit_status()), (MANY + 1, 0), "what has no row gets none");
        report.mark(&names[..2], RowAction::Generated);
        let made: Vec<&InstanceName> = report
            .rows
            .iter()
            .filter(|(_, row)| row.done == Some(RowAction::Generated))
            .map(|(name, _)| name)
            .collect();
        assert_eq!(made, [&name(0), &name(1)]);
    }
}
