use artifacts_text::shell_word;

/// So many hints are shown of one state.
pub(crate) const SHOWN: usize = 2;
/// So many instances are named in one command.
pub(crate) const NAMED: usize = 3;

/// Says what a hint does to the stored value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing is stored yet.
    Generates,
    /// The value is kept.
    Keeps,
    /// Of two values, that of this branch is kept.
    KeepsOurs,
    /// Of two values, that of the other branch is kept.
    KeepsTheirs,
    /// What was chosen is completed; nothing else happens to the value.
    Completes,
    /// The value of before comes back.
    Undoes,
    /// Nothing; it shows what happened.
    Reviews,
    /// The value goes to the trash.
    Trashes,
    /// The value goes; git's history keeps it.
    Removes,
    /// The value is replaced.
    Replaces,
}

impl Effect {
    /// Every effect, in order.
    pub const ALL: [Self; 10] = [
        Self::Generates,
        Self::Keeps,
        Self::KeepsOurs,
        Self::KeepsTheirs,
        Self::Completes,
        Self::Undoes,
        Self::Reviews,
        Self::Trashes,
        Self::Removes,
        Self::Replaces,
    ];

    /// Returns whether it stands neither first nor alone.
    fn is_last(self) -> bool {
        matches!(self, Self::Removes | Self::Replaces)
    }

    /// Returns what stands behind a cause in the list of what to do next.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Generates => "",
            Self::Keeps => ", keep",
            Self::KeepsOurs => ", keep ours",
            Self::KeepsTheirs => ", keep theirs",
            Self::Completes => ", then",
            Self::Undoes => ", undo",
            Self::Reviews => ", review",
            Self::Trashes => ", trash",
            Self::Removes => ", remove",
            Self::Replaces => ", new value",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Self::Generates => "",
            Self::Keeps => "keep: ",
            Self::KeepsOurs => "keep ours: ",
            Self::KeepsTheirs => "keep theirs: ",
            Self::Completes => "then: ",
            Self::Undoes => "undo: ",
            Self::Reviews => "review: ",
            Self::Trashes => "trash: ",
            Self::Removes => "remove: ",
            Self::Replaces => "new value: ",
        }
    }

    /// Returns its word, as `--json` has it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Generates => "generate",
            Self::Keeps => "keep",
            Self::KeepsOurs => "keep ours",
            Self::KeepsTheirs => "keep theirs",
            Self::Completes => "then",
            Self::Undoes => "undo",
            Self::Reviews => "review",
            Self::Trashes => "trash",
            Self::Removes => "remove",
            Self::Replaces => "new value",
        }
    }
}

/// Holds one thing to do about the state of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it does to the value.
    pub effect: Effect,
    /// How it is done.
    pub way: Way,
}

/// Says how something is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// A command that works now, word by word.
    Command(Vec<String>),
    /// Something that no command does.
    Text(String),
}

impl Hint {
    /// A command.
    pub fn command<S: Into<String>>(effect: Effect, words: impl IntoIterator<Item = S>) -> Self {
        Self { effect, way: Way::Command(words.into_iter().map(Into::into).collect()) }
    }

    /// A change that no command makes.
    pub fn text(effect: Effect, text: impl Into<String>) -> Self {
        Self { effect, way: Way::Text(text.into()) }
    }

    /// Returns what is the same of this hint and of another instance's that says the same.
    pub(crate) fn shape(&self, name: &str) -> (Effect, Vec<(&str, bool)>) {
        match &self.way {
            Way::Command(words) => (self.effect, words.iter().map(|word| split_name(word, name)).collect()),
            Way::Text(text) => (self.effect, vec![(text, false)]),
        }
    }

    /// As it is shown for these instances, of which it is the first one's.
    fn shown(&self, names: &[&str]) -> String {
        let Way::Command(words) = &self.way else {
            let Way::Text(text) = &self.way else { return String::new() };
            return text.clone();
        };
        let takes_name = names.first().is_some_and(|name| words.iter().any(|word| word == name));
        let mut shown = Vec::new();
        for word in words {
            match names.first() {
                Some(name) if word == name => shown.extend(names.iter().take(NAMED).map(|name| shell_word(name))),
                _ => shown.push(shell_word(word)),
            }
        }
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 && takes_name { format!(" and {more} more") } else { String::new() };
        format!("`{}`{more}", shown.join(" "))
    }
}

/// Splits the name off a word that is it, or a path to it. Returns the rest, and whether there is a name.
pub(crate) fn split_name<'w>(word: &'w str, name: &str) -> (&'w str, bool) {
    match word.strip_suffix(name) {
        Some(before) if before.is_empty() || before.ends_with('/') => (before, true),
        _ => (word, false),
    }
}

/// Returns at most so many hints, the one that replaces or removes a value never alone and never first.
pub(crate) fn shown(hints: &[Hint], most: usize) -> Vec<&Hint> {
    let mut hints: Vec<&Hint> = hints.iter().collect();
    hints.sort_by_key(|hint| hint.effect.is_last());
    if hints.first().is_none_or(|hint| hint.effect.is_last()) {
        return Vec::new();
    }
    // Such a one comes last, and is left out rather than what keeps it.
    hints.truncate(most);
    hints
}

/// Hints in one line: at most two, and the one that replaces a value never alone and never first. Of these instances they are the
/// first one's.
pub fn hint_line(hints: &[Hint], names: &[&str]) -> Option<String> {
    let hints = shown(hints, SHOWN);
    if hints.is_empty() {
        return None;
    }
    let label = |hint: &Hint| if hints.len() > 1 { hint.effect.label() } else { "" };
    Some(hints.iter().map(|hint| format!("{}{}", label(hint), hint.shown(names))).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replaces_a_value_stands_neither_first_nor_alone() {
        let hints = [
            Hint::command(Effect::Replaces, ["artifacts", "rotate", "shared/a"]),
            Hint::command(Effect::Keeps, ["artifacts", "adopt", "shared/a"]),
        ];
        let line = "keep: `artifacts adopt shared/a`; new value: `artifacts rotate shared/a`";
        assert_eq!(hint_line(&hints, &["shared/a"]).as_deref(), Some(line));
        assert_eq!(hint_line(&hints[..1], &["shared/a"]), None);
    }

    #[test]
    fn a_side_of_a_conflict_has_its_name_in_every_place() {
        let git = |effect, side: &str| Hint::command(effect, ["git", "checkout", side]);
        let hints = [git(Effect::KeepsOurs, "--ours"), git(Effect::KeepsTheirs, "--theirs")];
        let line = "keep ours: `git checkout --ours`; keep theirs: `git checkout --theirs`";
        assert_eq!(hint_line(&hints, &[]).as_deref(), Some(line));
        for (effect, word) in [(Effect::KeepsOurs, "keep ours"), (Effect::KeepsTheirs, "keep theirs")] {
            assert_eq!((effect.as_str(), effect.suffix()), (word, format!(", {word}").as_str()));
        }
    }
}
