//! A runner on a thread of this process: the shape of a worker without its walls. For tests and measurements.

use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use artifacts_seam::{Ask, Disconnected, GuestEnd, GuestMessage, HostEnd, HostReply, Limits, Request, escaped};

use crate::engine;
use crate::preopen::Preopen;
use crate::runner::Runner;

/// Reports go in batches: waking the other side for each would cost more than the component does.
struct ThreadGuestEnd {
    waiting: Mutex<Vec<GuestMessage>>,
    reports: Sender<Vec<GuestMessage>>,
    answers: Mutex<Receiver<HostReply>>,
}

const BATCH: usize = 4096;

impl ThreadGuestEnd {
    fn flush(&self) {
        if let Ok(mut waiting) = self.waiting.lock()
            && !waiting.is_empty()
        {
            // A host that went away does not want to know.
            let _ = self.reports.send(std::mem::take(&mut waiting));
        }
    }
}

impl GuestEnd for ThreadGuestEnd {
    fn report(&self, report: GuestMessage) {
        let full = self.waiting.lock().is_ok_and(|mut waiting| {
            waiting.push(report);
            waiting.len() >= BATCH
        });
        if full {
            self.flush();
        }
    }

    fn ask(&self, ask: Ask) -> HostReply {
        self.report(GuestMessage::Ask(ask));
        self.flush();
        let answer = self.answers.lock().ok().and_then(|answers| answers.recv().ok());
        answer.unwrap_or_else(|| HostReply::Denied("the host is gone".to_owned()))
    }
}

struct ThreadHostEnd {
    requests: Option<Sender<Request>>,
    answers: Sender<HostReply>,
    reports: Receiver<Vec<GuestMessage>>,
    received: std::vec::IntoIter<GuestMessage>,
}

/// Says why a component does not run in this process.
#[derive(Debug, thiserror::Error)]
pub enum InProcessError {
    /// It cannot be compiled.
    #[error("the component cannot be compiled: {0}")]
    Damaged(String),
    /// It does not fit the contract, or its limits.
    #[error("the component does not fit: {0}")]
    Unfit(String),
}

/// Runs a component on a thread of this process: the shape of a worker without its sandbox. Nothing can end a call that hangs in
/// the host. For tests and measurements. `scratch` is an empty 0700 directory on a RAM-backed file system.
///
/// # Errors
/// When the component cannot be compiled, or its types do not fit the contract.
pub fn in_process(component: &[u8], limits: Limits, scratch: OwnedFd) -> Result<Box<dyn HostEnd>, InProcessError> {
    let damaged = |error: wasmtime::Error| InProcessError::Damaged(escaped(&format!("{error:#}"), 1000));
    let engine = engine::engine().map_err(damaged)?;
    let compiled = wasmtime::component::Component::new(&engine, component).map_err(damaged)?;
    let (requests, inbox) = channel();
    let (answers, answered) = channel();
    let (outbox, reports) = channel();
    let guest = ThreadGuestEnd { waiting: Mutex::default(), reports: outbox, answers: Mutex::new(answered) };
    let guest = Arc::new(guest);
    let runner = Runner::new(&compiled, Some(Preopen::new(scratch)), limits, Arc::clone(&guest) as Arc<dyn GuestEnd>)
        .map_err(|unfit| InProcessError::Unfit(unfit.to_string()))?;
    let ticked = Arc::clone(&guest);
    engine::tick(&engine, move || ticked.flush());
    thread::spawn(move || {
        while let Ok(request) = inbox.recv() {
            let (outcome, usage) = runner.run(request);
            guest.report(GuestMessage::Done(outcome, usage));
            guest.flush();
        }
    });
    Ok(Box::new(ThreadHostEnd { requests: Some(requests), answers, reports, received: Vec::new().into_iter() }))
}

impl HostEnd for ThreadHostEnd {
    fn call(&mut self, request: &Request) -> Result<(), Disconnected> {
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(request.clone()).map_err(|_| gone())
    }

    fn answer(&mut self, answer: &HostReply) -> Result<(), Disconnected> {
        self.answers.send(answer.clone()).map_err(|_| gone())
    }

    fn receive(&mut self, patience: Duration) -> Result<GuestMessage, Disconnected> {
        loop {
            if let Some(report) = self.received.next() {
                return Ok(report);
            }
            let batch = self.reports.recv_timeout(patience).map_err(|error| match error {
                RecvTimeoutError::Timeout => Disconnected::Late,
                RecvTimeoutError::Disconnected => gone(),
            })?;
            self.received = batch.into_iter();
        }
    }

    fn end(&mut self) {
        self.requests = None;
    }
}

fn gone() -> Disconnected {
    Disconnected::Gone("its thread ended".to_owned())
}
