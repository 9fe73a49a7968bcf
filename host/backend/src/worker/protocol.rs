//! What goes through the pipes: few messages, each in a frame of bounded size.

use artifacts_seam::{Answer, Request};
use serde::{Deserialize, Serialize};

use crate::lockdown::{Halfway, Walls};
use crate::session::line::Report;
use crate::{Limits, Protection};

/// To a worker, its first frame.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) walls: Walls,
    pub(crate) limits: Limits,
    pub(crate) task: Task,
}

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Compiling a component, which the next frame is, and never running it.
    Compile {
        /// For any processor of this architecture.
        baseline: bool,
    },
    /// Running compiled code, which the next frame is.
    Run,
    /// Trying the walls.
    Probe,
}

/// To a worker, while it runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order<R, A> {
    Call(R),
    Answer(A),
}

pub(crate) type OwnedOrder = Order<Request, Answer>;
pub(crate) type BorrowedOrder<'a> = Order<&'a Request, &'a Answer>;

/// From a worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// It is locked down, but for these.
    Locked(Vec<Protection>),
    /// It is neither as it was nor locked down: a fresh process leaves this out.
    Halfway(Halfway),
    /// It could not be set up.
    Unable(String),
    /// The component cannot be compiled.
    Damaged(String),
    /// The compiled code follows in a frame of its own.
    Compiled,
    /// The compiled code is of another engine.
    Outdated(String),
    /// The component does not fit the contract.
    Unfit(String),
    /// It can be called.
    Ready,
    /// It was tried: what could be done all the same.
    Probed(Vec<String>),
    /// From the runner.
    Report(Report),
}
