//! How git's index has entries.

use std::collections::BTreeMap;
use std::fmt;

use super::Warning;

/// Describes how git's index has an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// The index has it as it is stored.
    Yes,
    /// The index does not have it, or with other content.
    No {
        /// Command that stages it.
        command: String,
    },
    /// The index does not have it, because git ignores it.
    Ignored {
        /// First ignored file, relative to the root.
        path: String,
        /// Command that stages it all the same.
        command: String,
    },
    /// The index has other bytes, because a filter has to run.
    Filtered {
        /// Command that runs the filter.
        command: String,
    },
    /// A merge left two versions.
    Conflict(Settlement),
    /// The working tree is sparse and holds nothing of it.
    Sparse,
    /// It belongs to a submodule that is not checked out, so its content is unknown.
    Submodule {
        /// Path of the submodule, relative to the root if it is below.
        path: String,
        /// Command that checks the submodule out.
        command: String,
    },
    /// The working tree holds nothing of it, and git still tracks it.
    Deleted {
        /// Command that restores it.
        command: String,
    },
}

/// Says how a merge conflict in an entry is settled: one version as a whole, and the declared recipients after that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// What chooses the version of this branch; none if no command does.
    pub ours: Option<Choice>,
    /// What chooses the version of the other branch; none if no command does.
    pub theirs: Option<Choice>,
    /// Command that tells git that it is settled.
    pub add: String,
    /// Whether both versions have the same value, as their receipts claim; none if one has no valid receipt.
    pub same_value: Option<bool>,
    /// Version that was generated later, as the receipts claim; none if one has no valid receipt, or both have one time.
    pub newer: Option<MergeSide>,
}

/// Names a version as `git checkout` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeSide {
    /// That of this branch; of a rebase, that of the branch it goes onto.
    Ours,
    /// That of the other branch.
    Theirs,
}

impl fmt::Display for MergeSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "ours",
            Self::Theirs => "theirs",
        })
    }
}

/// Says what chooses the version of one branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// That branch has the entry, and this command brings its version back.
    Keeps(String),
    /// That branch has nothing of the entry, and this command removes it.
    Removes(String),
}

impl Choice {
    fn keeps(&self) -> Option<&String> {
        if let Self::Keeps(command) = self { Some(command) } else { None }
    }

    fn removes(&self) -> Option<&String> {
        if let Self::Removes(command) = self { Some(command) } else { None }
    }
}

impl Settlement {
    /// What to do where no command is known that chooses a version.
    pub const UNKNOWN: &str = "bring back one version as a whole with git";

    /// Returns the commands that keep a version, of which one is enough: with one value, either does.
    pub fn choices(&self) -> Vec<(MergeSide, &String)> {
        let most = if self.same_value == Some(true) { 1 } else { 2 };
        self.known().filter_map(|(side, choice)| Some((side, choice.keeps()?))).take(most).collect()
    }

    /// Returns the version with the newer value, where there are two values.
    pub fn newer_value(&self) -> Option<MergeSide> {
        self.newer.filter(|_| self.same_value == Some(false))
    }

    /// Returns the command that removes the entry, as one branch did. Nothing is left to do after it.
    pub fn removal(&self) -> Option<&String> {
        self.known().find_map(|(_, choice)| choice.removes())
    }

    fn known(&self) -> impl Iterator<Item = (MergeSide, &Choice)> {
        let sides = [(MergeSide::Ours, &self.ours), (MergeSide::Theirs, &self.theirs)];
        sides.into_iter().filter_map(|(side, choice)| Some((side, choice.as_ref()?)))
    }

    /// Returns what to do about a declared instance, by the name that commands take.
    pub fn sentence(&self, name: &str) -> String {
        self.or_remove(format!("{}, then {}", self.which(), self.rest(name)))
    }

    /// Returns what to do about an entry that no declaration has recipients for.
    pub fn choice(&self) -> String {
        self.or_remove(self.keeping())
    }

    /// Returns what keeps an entry that no declaration has recipients for.
    pub fn keeping(&self) -> String {
        format!("{}, then `{}`", self.which(), self.add)
    }

    fn or_remove(&self, keeping: String) -> String {
        match self.removal() {
            None => keeping,
            Some(command) => format!("{keeping}; or remove it, as one branch did: `{command}`"),
        }
    }

    /// Returns what chooses a version that is kept.
    fn which(&self) -> String {
        let choices = self.choices();
        if let (Some(true), [(_, command)]) = (self.same_value, choices.as_slice()) {
            return format!("both versions have the same value: run `{command}`");
        }
        let choice = |(side, command): (MergeSide, &String)| {
            let newer = if self.newer_value() == Some(side) { ", the newer one," } else { "" };
            format!("{side}{newer} with `{command}`")
        };
        let choices: Vec<String> = choices.into_iter().map(choice).collect();
        if choices.is_empty() { Self::UNKNOWN.to_owned() } else { format!("keep {}", choices.join(" or ")) }
    }

    /// Returns what is left to do once one version is chosen. Of one value, every declared recipient gets it; of two, the person says that
    /// the one that stays is the current one, also if it is the older.
    pub fn rest(&self, name: &str) -> String {
        format!("`{}` and `artifacts {} {}`", self.add, self.command(), artifacts_text::shell_word(name))
    }

    /// Returns the command of this program that completes it.
    pub fn command(&self) -> &'static str {
        if self.same_value == Some(true) { "rekey" } else { "adopt" }
    }
}

impl Staged {
    /// Returns whether the index has the entry as it is stored.
    pub fn is_yes(&self) -> bool {
        *self == Self::Yes
    }

    /// Returns whether there is an entry to compare.
    pub fn is_stored(&self) -> bool {
        !matches!(self, Self::Sparse | Self::Submodule { .. } | Self::Deleted { .. })
    }
}

/// Reports what git's index has of entries.
#[derive(Debug, Default)]
pub struct IndexReport {
    /// Entries that are stored in a repository, by path relative to the root.
    pub entries: BTreeMap<String, Staged>,
    /// Tracked files below this program's own directories, with the command that removes each from the index: a push
    /// could have brought them.
    pub tracked: BTreeMap<String, String>,
    /// Reasons why something is unknown.
    pub warnings: Vec<Warning>,
}
