//! What verification finds of a log.

use std::fmt;

use serde::Serialize;

use crate::head::Head;

/// Holds what verification found of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chain {
    /// Linked lines in this file.
    pub linked: u64,
    /// Lines of schema 1 before the first linked one.
    pub unlinked: u64,
    /// Number of the first linked line; above 1 in a log that was rotated.
    pub begins: Option<u64>,
    /// The last line, as the head file has it.
    pub head: Option<Head>,
    /// What is wrong, in the order of the lines.
    pub findings: Vec<Finding>,
}

impl Chain {
    /// Returns whether lines were removed, changed, reordered or added. Damage that the next line accounts for is none of this.
    pub fn is_broken(&self) -> bool {
        self.findings.iter().any(Finding::breaks)
    }
}

/// Something that is wrong with a log. Lines count from 1 in their file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Finding {
    /// A line has no line break: its writing was interrupted.
    Incomplete {
        /// The line.
        line: u64,
    },
    /// A line is not a record, and the line after it says so: its writing was interrupted.
    Damaged {
        /// The line.
        line: u64,
    },
    /// A line is not part of the chain: it was added, or changed.
    Foreign {
        /// The line.
        line: u64,
    },
    /// Records are missing before a line.
    Missing {
        /// The line.
        line: u64,
        /// The first that is missing.
        from: u64,
        /// The last that is missing.
        to: u64,
    },
    /// The record before a line is not the one that was written there.
    Changed {
        /// The line.
        line: u64,
        /// The number of the record that was changed.
        record: u64,
    },
    /// A record is out of order, or there twice.
    Order {
        /// The line.
        line: u64,
        /// Its number.
        record: u64,
    },
    /// Bytes that stood before a line were removed or changed: an incomplete line, or records of schema 1.
    Before {
        /// The line.
        line: u64,
    },
    /// Records are missing at the end, or the last one was changed.
    End {
        /// The last record that is there; 0 when there is none.
        found: u64,
        /// The last record that was written.
        expected: u64,
    },
    /// The log is empty or missing, though records were written: it was moved away and not continued yet, or removed.
    Empty {
        /// The last record that was written.
        expected: u64,
    },
    /// The head file was missing or damaged: what was removed at the end before cannot be determined.
    Head {
        /// The line before which that was noticed; none at the end, where it is damaged.
        line: Option<u64>,
    },
    /// There is no head file beside the log, as for one that was moved away: what was removed at the end cannot be determined.
    NoHead,
}

impl Finding {
    /// Returns whether it says that the log was changed, and not only that writing it was interrupted, or that its end cannot be
    /// verified.
    pub fn breaks(&self) -> bool {
        !matches!(self, Self::Incomplete { .. } | Self::Damaged { .. } | Self::NoHead)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete { line } => write!(f, "line {line} is incomplete: writing it was interrupted"),
            Self::Damaged { line } => write!(f, "line {line} is not an audit record: writing it was interrupted"),
            Self::Foreign { line } => write!(f, "line {line} is not part of the chain: it was added or changed"),
            Self::Missing { line, from, to } if from == to => write!(f, "record {from} is missing before line {line}"),
            Self::Missing { line, from, to } => write!(f, "records {from} to {to} are missing before line {line}"),
            Self::Changed { line, record } => write!(f, "record {record}, before line {line}, was changed"),
            Self::Order { line, record } => write!(f, "line {line} is out of order: it is record {record}"),
            Self::Before { line } => write!(f, "text before line {line} was removed or changed"),
            Self::End { found, expected } if found < expected => {
                write!(f, "the log ends with record {found}; record {expected} was written last")
            }
            Self::End { found, .. } => {
                write!(f, "record {found}, the last one, was changed or not written by artifacts")
            }
            Self::Empty { expected } => write!(
                f,
                "the log is empty and record {expected} was written last: it was removed, or moved away and not continued yet"
            ),
            Self::Head { line: Some(line) } => {
                write!(f, "the head file was missing or damaged before line {line}: records removed there go unnoticed")
            }
            Self::Head { line: None } => {
                write!(f, "the head file is damaged: records removed at the end go unnoticed")
            }
            Self::NoHead => write!(f, "no head file beside it: records removed at the end go unnoticed"),
        }
    }
}
