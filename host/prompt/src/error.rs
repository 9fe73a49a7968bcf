use std::io;

use artifacts_declared::{InstanceName, Name};
use artifacts_text::Explain;

use crate::AnswersFormat;

/// Why there is no answer. No message quotes a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answers file cannot be read as what it is said to be.
    #[error("the answers are not valid {format} at line {line}, column {column}")]
    Syntax {
        /// What it was to be.
        format: AnswersFormat,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A value of the wrong type.
    #[error("the answers have at {place}: expected {expected}, found {found}")]
    Type {
        /// Where.
        place: String,
        /// What was expected there.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// Two values for one place.
    #[error("the answers have {place} twice")]
    Twice {
        /// Where.
        place: String,
    },
    /// Answers to what nobody asks.
    #[error("the answers have {}; known are {}", .unknown.join(", "), short(.known))]
    Unknown {
        /// The places.
        unknown: Vec<String>,
        /// What could be meant.
        known: Vec<String>,
    },
    /// There is nobody to ask.
    #[error("{} without an answer, and nobody to ask: {}", count(.questions.len()), .questions.join(", "))]
    Unanswered {
        /// Each as `instance: prompt`.
        questions: Vec<String>,
        /// An answers file, in TOML, that lacks nothing but the values.
        snippet: String,
    },
    /// The file given as the terminal is none.
    #[error("expected a terminal to ask at, found something else")]
    NoTerminal,
    /// A hidden value was not repeated.
    #[error("{instance}: `{prompt}` was typed differently each time, {tries} times over")]
    Mismatch {
        /// Who needs it.
        instance: InstanceName,
        /// Which.
        prompt: Name,
        /// How often it was asked.
        tries: u32,
    },
    /// Nothing was typed where it is hidden.
    #[error("{instance}: `{prompt}` was left empty, {tries} times over")]
    Empty {
        /// Who needs it.
        instance: InstanceName,
        /// Which.
        prompt: Name,
        /// How often it was asked.
        tries: u32,
    },
    /// The input ended instead of an answer.
    #[error("{instance}: expected an answer to `{prompt}`, found the end of the input")]
    Ended {
        /// Who needs it.
        instance: InstanceName,
        /// Which.
        prompt: Name,
    },
    /// A line that the terminal may have cut.
    #[error("{instance}: a line of `{prompt}` is too long: a terminal takes at most {limit} bytes of a line")]
    TooLong {
        /// Who needs it.
        instance: InstanceName,
        /// Which.
        prompt: Name,
        /// In bytes.
        limit: usize,
    },
    /// The terminal failed.
    #[error("the terminal: {0}")]
    Io(#[from] io::Error),
}

impl From<rustix::io::Errno> for Error {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::Io(errno.into())
    }
}

impl Explain for Error {
    fn kind(&self) -> &'static str {
        "prompt"
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Syntax { .. } | Self::Type { .. } => Some(
                "an answers file has a table for each instance, in it a text in quotes for each prompt: `[\"shared/ca\"]`, `passphrase = \"…\"`"
                    .to_owned(),
            ),
            Self::Unanswered { snippet, .. } => {
                Some(format!(
                "run it at a terminal and without `--no-input`, which asks nothing; or fill this in, save it and pass it with --answers FILE:\n\n{snippet}"
            ))
            }
            Self::TooLong { .. } => Some("pass this value with --answers FILE".to_owned()),
            Self::Twice { .. } | Self::Unknown { .. } => Some("correct the answers file".to_owned()),
            Self::NoTerminal | Self::Mismatch { .. } | Self::Empty { .. } | Self::Ended { .. } | Self::Io(_) => None,
        }
    }
}

/// The most that is listed.
const LISTED: usize = 20;

fn short(known: &[String]) -> String {
    let text = known.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match known.len() {
        0 => "none".to_owned(),
        all if all > LISTED => format!("{text} and {} more", all - LISTED),
        _ => text,
    }
}

fn count(questions: usize) -> String {
    if questions == 1 { "one prompt".to_owned() } else { format!("{questions} prompts") }
}
