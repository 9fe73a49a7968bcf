//! What a person reads, and the JSON that programs read. Renders; never prints.

mod escape;
mod json;
mod text;

use artifacts_plan::State;

pub use escape::escaped;
pub use text::Style;

/// What a command found or did.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Every instance that the command looked at, sorted by name.
    pub instances: Vec<Row>,
    /// Everything that failed.
    pub errors: Vec<Failure>,
}

/// One instance.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The backend that stores it, if that is known.
    pub backend: Option<String>,
    /// What it is now.
    pub state: State,
    /// What was done to it, if anything.
    pub done: Option<Done>,
}

/// What was done to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was made.
    Made,
    /// It was made again.
    MadeAgain,
    /// It would be made.
    WouldMake,
    /// It would be made again.
    WouldMakeAgain,
}

impl Done {
    fn as_str(self) -> &'static str {
        match self {
            Self::Made => "made",
            Self::MadeAgain => "made again",
            Self::WouldMake => "would be made",
            Self::WouldMakeAgain => "would be made again",
        }
    }
}

/// One failure, with its cause and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// An instance, a target, a backend, a selector; empty when it concerns all.
    pub subject: String,
    /// The backend in question, if one is.
    pub backend: Option<String>,
    /// What was expected and found.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Failure {
    /// A failure of one thing.
    pub fn new(subject: impl Into<String>, message: impl Into<String>) -> Self {
        Self { subject: subject.into(), backend: None, message: message.into(), help: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help<T: Into<String>>(mut self, help: Option<T>) -> Self {
        self.help = help.map(Into::into);
        self
    }

    /// Adds the backend.
    #[must_use]
    pub fn backend(mut self, backend: impl Into<Option<String>>) -> Self {
        self.backend = backend.into();
        self
    }
}

impl Report {
    /// 1 when something failed, else 3 when work is left, else 0.
    pub fn exit_status(&self) -> u8 {
        let left = |row: &Row| matches!(row.state, State::Absent | State::Stale(_) | State::Blocked);
        if !self.errors.is_empty() {
            1
        } else if self.instances.iter().any(left) {
            3
        } else {
            0
        }
    }
}
