use std::io;

use artifacts_declared::{InstanceName, Name};
use artifacts_text::Explain;

use crate::answers_format::AnswersFormat;

/// Reports why there is no answer. No message contains a value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The answers file is not in its format.
    #[error("answers file: not valid {format} at line {line}, column {column}")]
    Syntax {
        /// Expected format.
        format: AnswersFormat,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A value has the wrong type.
    #[error("answers file: at {place}: expected {expected}, found {found}")]
    Type {
        /// Position in the answers file, as "table.key".
        place: String,
        /// Expected type.
        expected: &'static str,
        /// Type of the value.
        found: &'static str,
    },
    /// A key is given twice.
    #[error("answers file: duplicate key {place}")]
    Twice {
        /// Position in the answers file, as "table.key".
        place: String,
    },
    /// A key of the answers file names several instances.
    #[error("answers file: {place} names several instances: {}", .names.join(", "))]
    Ambiguous {
        /// The key.
        place: String,
        /// Their full names.
        names: Vec<String>,
    },
    /// The answers file has answers to unknown prompts.
    #[error("answers file: unknown {}; expected one of: {}", .unknown.join(", "), short(.known))]
    Unknown {
        /// Positions of these answers, as "table.key".
        unknown: Vec<String>,
        /// Known prompts that may be meant.
        known: Vec<String>,
    },
    /// The answers file has blank answers to prompts that require a value.
    #[error("answers file: no value for {}", .places.join(", "))]
    Blank {
        /// Positions of these answers, as "table.key".
        places: Vec<String>,
    },
    /// No terminal is available.
    #[error("no answer for {}, and no terminal is available: {}", count(.questions.len()), .questions.join(", "))]
    Unanswered {
        /// Prompts without an answer, each as `instance: prompt`.
        questions: Vec<String>,
        /// Answers file, in TOML, in which each answer is a comment to be filled in.
        template: String,
    },
    /// The file that was given as the terminal is not one.
    #[error("not a terminal")]
    NoTerminal,
    /// The input ended before an answer.
    #[error("{instance}: `{prompt}`: input ended before a value was entered")]
    Ended {
        /// Instance that needs the value.
        instance: InstanceName,
        /// Name of the prompt.
        prompt: Name,
    },
    /// The person pressed Ctrl-C.
    #[error("stopped at the prompt")]
    Interrupted,
    /// Error of the operating system.
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
                "write one table per instance and one quoted string per prompt: `[\"shared/ca\"]`, `passphrase = \"…\"`"
                    .to_owned(),
            ),
            Self::Unanswered { template, .. } => {
                Some(format!(
                "run at a terminal without `--no-input`; or fill in this file and pass it with `--answers FILE`:\n\n{template}"
            ))
            }
            Self::Blank { .. } => Some(
                "enter a value; to answer later, make the line a comment; to allow an empty value, set \
                 `prompts.<prompt>.required = false`"
                    .to_owned(),
            ),
            Self::Ambiguous { .. } => Some("use the full name".to_owned()),
            Self::Twice { .. } | Self::Unknown { .. } => Some("fix the answers file".to_owned()),
            Self::NoTerminal | Self::Ended { .. } | Self::Interrupted | Self::Io(_) => None,
        }
    }
}

/// Largest number of listed items.
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
