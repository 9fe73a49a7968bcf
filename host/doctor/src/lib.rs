//! Judges what was observed of a machine's setup, each part by one pure function: what is broken, what is weaker than it could be or
//! left to do, and what to do about it. What cannot be determined counts as work, never as well.
//!
//! Nothing here looks at the machine, and nothing here prints.

mod audit;
mod generators;
mod git;
mod identities;
mod nix;
mod plugins;
mod ram;
mod receipts;
mod state;
mod swap;
mod workers;

use artifacts_report::{Area, Failure, HealthFinding};

pub use audit::{AuditFacts, audit};
pub use generators::{GeneratorTrial, TrialOutcome, generators};
pub use git::{GitFacts, git};
pub use identities::{IdentityPlace, IdentitySource, OpenFile, identities};
pub use nix::{NixFacts, nix};
pub use plugins::{PluginFacts, plugins};
pub use ram::ram;
pub use receipts::{EntryFacts, ReceiptFacts, receipts};
pub use state::{StateFacts, state};
pub use swap::{SwapArea, SwapKind, swap};
pub use workers::{WorkerFacts, workers};

/// Something that fails for commands, too, with what to do.
fn failed(area: Area, what: &str, failure: &Failure) -> HealthFinding {
    let subject = if failure.subject.is_empty() { String::new() } else { format!("{}: ", failure.subject) };
    HealthFinding::broken(area, format!("{what}{subject}{}", failure.message)).hint(failure.hint.clone())
}

/// Something that cannot be determined, with what to do.
fn unknown(area: Area, what: &str, failure: &Failure) -> HealthFinding {
    HealthFinding { verdict: artifacts_report::Verdict::Work, ..failed(area, what, failure) }
}
