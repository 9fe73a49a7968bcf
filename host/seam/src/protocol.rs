//! What goes through the pipes between the program and a worker: few messages, each in a frame of bounded size.

use serde::{Deserialize, Serialize};

use crate::{GuestMessage, Halfway, HostReply, Limits, Request, SandboxLayer, SandboxSetup};

/// The first argument of a worker.
pub const WORKER_ARGUMENT: &str = "--artifacts-worker";

/// Tells a worker what it is: its first frame.
#[derive(Debug, Serialize, Deserialize)]
pub struct Setup {
    /// The sandbox that it puts itself into.
    pub sandbox: SandboxSetup,
    /// How much its component may use.
    pub limits: Limits,
    /// What it is for.
    pub task: Task,
}

/// Says what a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// Compiling a component, which the next frame is, and never running it.
    Compile {
        /// For any processor of this architecture.
        baseline: bool,
    },
    /// Running compiled code, which the next frame is.
    Run,
    /// Running the code that the worker's program has inside for the component of this SHA-256.
    RunInside([u8; 32]),
    /// Trying the sandbox from the inside.
    Probe,
}

/// Goes to a worker, while it runs.
#[derive(Debug, Serialize, Deserialize)]
pub enum ToWorker<R, A> {
    /// A call to be made.
    Call(R),
    /// The answer to a question.
    Answer(A),
}

/// What a worker reads.
pub type OwnedToWorker = ToWorker<Request, HostReply>;
/// What the host writes.
pub type BorrowedToWorker<'a> = ToWorker<&'a Request, &'a HostReply>;

/// Says what a worker is, before it has received any code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The engine whose code it runs: compiled code is kept under it.
    pub engine: String,
    /// The layers of the sandbox that it could not have.
    pub missing: Vec<SandboxLayer>,
}

/// Comes from a worker.
#[derive(Debug, Serialize, Deserialize)]
pub enum FromWorker {
    /// It is locked down, but for what is missing.
    Hello(Hello),
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
    Mismatch(String),
    /// The component begins with more than its limits.
    Large(String),
    /// It can be called.
    Ready,
    /// It was tried: what could be done all the same.
    Probed(Vec<String>),
    /// From the component.
    Guest(GuestMessage),
}
