//! The admin: asked before anything is written, and told what happens.

use std::collections::{BTreeMap, BTreeSet};

use artifacts_declared::{InstanceName, Name, Prompt, PromptKind};
use artifacts_plan::Instance;
use artifacts_report::{
    AnswerRequest, ExposedValue, Exposure, Failure, ReadRequest, RecipientChange, RecipientNames, ReplacedValue,
    Report, RestorableEntry, TrashedEntry,
};
use artifacts_seam::Secret;
use artifacts_store::Warning;

use super::backend_messages::BackendMessages;
use super::phase::Phase;
use crate::look::adoptable::Adoption;

/// Asks the admin, or answers for them by what they passed on the command line.
pub trait Operator {
    /// Asks a yes/no question.
    ///
    /// # Errors
    /// When the terminal fails.
    fn confirm(&mut self, question: &Question<'_>) -> Result<Answer, Failure>;

    /// Returns all that is wrong with the prepared answers, and with those of which instance: each has to be a value, to belong to one of
    /// these prompts, if they are all that are declared, and not to be empty where a value is required.
    fn answer_faults(&self, prompts: &[DeclaredPrompt<'_>], are_all: bool) -> Vec<(Option<InstanceName>, Failure)>;

    /// Returns the prompts of an instance that have no prepared answer.
    fn open_prompts(&self, instance: &Instance) -> Vec<Name>;

    /// Returns how to answer these prompts where no one can be asked; none where someone can. A preview asks no one anyway: there
    /// only counts whether that is forbidden.
    fn without_terminal(&self, prompts: &[RequestedPrompt], is_preview: bool) -> Option<String>;

    /// Returns values for these prompts. What the admin skips has none, nor has what they did not come to before they stopped. `others`
    /// are generated without a prompt, each by all that it depends on.
    ///
    /// # Errors
    /// When they want out, or cannot be asked.
    fn enter(
        &mut self,
        prompts: &[RequestedPrompt],
        others: &[BTreeSet<InstanceName>],
    ) -> Result<PromptValues, Failure>;

    /// Returns whether the lock of another run is waited for.
    fn waits(&self) -> bool;

    /// Takes note of what takes a while.
    fn phase(&mut self, phase: Phase);

    /// Takes note of what happens.
    fn notify(&mut self, event: &RunEvent<'_>);
}

/// A prompt of an instance, as it is declared.
pub type DeclaredPrompt<'a> = (&'a InstanceName, &'a Name, &'a Prompt);

/// The values of prompts, by instance and prompt.
pub type PromptValues = BTreeMap<(InstanceName, Name), Secret>;

/// Holds one prompt of an instance that is generated.
#[derive(Debug, Clone)]
pub struct RequestedPrompt {
    /// The instance.
    pub instance: InstanceName,
    /// The prompt's name.
    pub prompt: Name,
    /// The declared description.
    pub description: Option<String>,
    /// The answer that the instance was tried with before.
    pub earlier: Option<Secret>,
    /// All instances that the instance depends on: where one is skipped, no answer is asked for.
    pub needs: BTreeSet<InstanceName>,
    /// What becomes of the answer, a line each.
    pub details: Vec<String>,
    /// How it is entered.
    pub kind: PromptKind,
    /// Whether an empty value is rejected.
    pub required: bool,
}

/// A question that the admin answers with yes or no.
#[derive(Debug)]
pub enum Question<'a> {
    /// May these files be encrypted to these recipients?
    Recipients {
        /// What was not accepted yet, and what else changes by what is stored.
        changes: &'a [RecipientChange],
        /// Whose the recipients are.
        names: &'a RecipientNames,
        /// Stands for exactly what would be accepted.
        digest: &'a str,
    },
    /// May these generators read these secrets?
    ReadAccess(&'a [ReadRequest]),
    /// May these generators, which could pass them on, use what the admin enters?
    AnswerAccess(&'a [AnswerRequest]),
    /// Shall these, whose prompts the admin answered, be tried once more?
    TryAgain(&'a [Failure]),
    /// May these values be replaced?
    Replace(&'a [ReplacedValue]),
    /// May this value be replaced, which someone could read?
    ReplaceReadable(&'a ExposedValue),
    /// May new values be generated although old ones may exist?
    NewValues(&'a [FormerValue]),
    /// May these entries be moved to the trash?
    Trash(&'a [TrashedEntry]),
    /// May these entries come back from the trash?
    Restore {
        /// The entries.
        entries: &'a [RestorableEntry],
        /// Whose the recipients are.
        names: &'a RecipientNames,
    },
    /// May these entries, whose recipients are these, be removed from the trash for good?
    Remove(&'a [RestorableEntry], &'a RecipientNames),
}

/// Holds where an instance that is not stored may have a value.
#[derive(Debug, Clone)]
pub struct FormerValue {
    /// The instance.
    pub name: InstanceName,
    /// Why it may have one.
    pub why: String,
    /// What keeps it.
    pub keep: String,
}

/// What the admin answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Yes, by a flag or at the terminal.
    Yes {
        /// How, for the audit log.
        by: &'static str,
    },
    /// No.
    No,
    /// No one can be asked.
    NoOne,
}

impl Answer {
    /// Returns whether it is a yes.
    pub fn is_yes(&self) -> bool {
        matches!(self, Self::Yes { .. })
    }
}

/// What happens in a run.
pub enum RunEvent<'a> {
    /// A sandbox layer is missing, with what is weaker for it.
    MissingLayer(&'a str),
    /// A backend wrote something, or was denied access.
    Backend(&'a BackendMessages<'a>),
    /// Recipients of stored files differ from the declared ones.
    RecipientChanges {
        /// The differences.
        changes: &'a [RecipientChange],
        /// Whose the recipients are.
        names: &'a RecipientNames,
        /// Whether nothing will be written.
        preview: bool,
    },
    /// What would be accepted of an entry.
    Adoption(&'a Adoption),
    /// Another run holds the lock of a storage, and is waited for.
    Waiting {
        /// The storage.
        storage: &'a str,
        /// The other process, as it wrote it into the lock.
        pid: Option<u32>,
    },
    /// A generator starts.
    Generating {
        /// The instance.
        name: &'a InstanceName,
        /// How many of this round are generated.
        count: usize,
        /// How many this round generates.
        total: usize,
    },
    /// A generator failed, or what it wrote was not stored.
    NotGenerated(&'a InstanceName),
    /// An instance was generated and stored.
    Generated {
        /// The instance.
        name: &'a InstanceName,
        /// How many of this round are generated.
        count: usize,
        /// How many this round generates.
        total: usize,
    },
    /// An instance was not generated, and its generator printed something that may hold a secret.
    GeneratorOutput {
        /// The instance.
        name: &'a InstanceName,
        /// What it printed.
        output: &'a Secret,
    },
    /// An instance was encrypted again.
    Reencrypted {
        /// The instance.
        name: &'a InstanceName,
        /// How many are encrypted again.
        count: usize,
        /// How many are to be.
        total: usize,
    },
    /// New entries were staged; the warnings tell of those that were not.
    Staged(&'a [Warning]),
    /// What would be written.
    Preview(&'a Report),
    /// What a recipient could read.
    Exposure(&'a Exposure),
    /// No entry is orphaned.
    NothingOrphaned,
    /// Public files were generated, so everything is evaluated again.
    EvaluatingAgain,
    /// A message.
    Note(&'a str),
    /// A warning, with what to do.
    Warning(&'a str, Option<&'a str>),
}
