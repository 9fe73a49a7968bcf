//! The two ends of the conversation between a component and the host: the same in one process and across two.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Ask, CallError, Checked, ComponentEvent, HostReply, Outcome, Request, Usage};

/// Carries what a component does to the host.
#[derive(Debug, Serialize, Deserialize)]
pub enum GuestMessage {
    /// Something happened.
    Event(ComponentEvent),
    /// The answer for the next instance of a batch.
    Checked(Result<Checked, CallError>),
    /// A question; the component waits.
    Ask(Ask),
    /// The end of a call. A batch's answers came before it one by one, and its outcome is empty.
    Done(Result<Outcome, CallError>, Usage),
}

/// Speaks for the component.
pub trait GuestEnd: Send + Sync {
    /// Reports to the host. When no one listens any more, the message is lost.
    fn report(&self, message: GuestMessage);
    /// Asks the host, and waits.
    fn ask(&self, ask: Ask) -> HostReply;
}

/// Says why nothing comes from the other end.
#[derive(Debug)]
pub enum Disconnected {
    /// The time is over.
    Late,
    /// The other end is gone, or speaks nonsense: in which way.
    Gone(String),
}

/// Speaks for the host.
pub trait HostEnd: Send {
    /// Begins a call.
    ///
    /// # Errors
    /// When the other end does not take it.
    fn call(&mut self, request: &Request) -> Result<(), Disconnected>;
    /// Answers a question.
    ///
    /// # Errors
    /// When the other end does not take it.
    fn answer(&mut self, answer: &HostReply) -> Result<(), Disconnected>;
    /// Returns the next message.
    ///
    /// # Errors
    /// When `patience` is over, or the other end is gone.
    fn receive(&mut self, patience: Duration) -> Result<GuestMessage, Disconnected>;
    /// Ends the component now, whatever it does.
    fn end(&mut self);
    /// Returns whether another process ended it by force, as the kernel does when memory is short.
    fn was_killed(&mut self) -> bool {
        false
    }
}
