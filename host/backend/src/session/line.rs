//! The line between a runner and the host: the same in one process and across two.

use artifacts_seam::{Answer, Ask, CallError, Checked, Event, Outcome, Request, Usage};
use serde::{Deserialize, Serialize};

/// What comes from the runner.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// Something happened.
    Event(Event),
    /// The answer for the next instance of a batch.
    Checked(Result<Checked, CallError>),
    /// A question; the component waits.
    Ask(Ask),
    /// The end of a call. A batch's answers came before it one by one, and its outcome is empty.
    Done(Result<Outcome, CallError>, Usage),
}

/// The runner's end.
pub(crate) trait Line: Send + Sync {
    /// Tells the host. When nobody listens any more, it is lost.
    fn report(&self, report: Report);
    /// Asks the host, and waits.
    fn ask(&self, ask: Ask) -> Answer;
}

/// Nobody is at the other end.
#[derive(Debug)]
pub(crate) enum Silence {
    /// The time is over.
    Late,
    /// The other end is gone, or speaks nonsense: in which way.
    Gone(String),
}

/// The host's end.
pub(crate) trait Link: Send {
    /// Begins a call.
    fn call(&mut self, request: &Request) -> Result<(), Silence>;
    /// Answers a question.
    fn answer(&mut self, answer: &Answer) -> Result<(), Silence>;
    /// The next report, until `patience` is over.
    fn report(&mut self, patience: std::time::Duration) -> Result<Report, Silence>;
    /// Ends the runner now, whatever it does.
    fn end(&mut self);
    /// Whether somebody else ended it by force, as the kernel does when memory is short.
    fn was_killed(&mut self) -> bool {
        false
    }
}
