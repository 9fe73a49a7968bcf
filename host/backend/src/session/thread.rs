//! A runner on a thread of this process: the shape of a worker without its walls. For tests and measurements.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use artifacts_seam::{Answer, Ask, Request};

use super::engine;
use super::line::{Line, Link, Report, Silence};
use super::room::Room;
use super::runner::Runner;
use crate::{Component, Limits, Refusal};

struct ThreadLine {
    reports: Sender<Report>,
    answers: Mutex<Receiver<Answer>>,
}

impl Line for ThreadLine {
    fn report(&self, report: Report) {
        // A host that went away does not want to know.
        let _ = self.reports.send(report);
    }

    fn ask(&self, ask: Ask) -> Answer {
        let gone = || Answer::Denied("the host is gone".to_owned());
        if self.reports.send(Report::Ask(ask)).is_err() {
            return gone();
        }
        self.answers.lock().ok().and_then(|answers| answers.recv().ok()).unwrap_or_else(gone)
    }
}

pub(crate) struct ThreadLink {
    requests: Option<Sender<Request>>,
    answers: Sender<Answer>,
    reports: Receiver<Report>,
}

impl ThreadLink {
    /// Compiles the component and starts the thread.
    pub(crate) fn start(component: &Component, room: Room, limits: Limits) -> Result<Self, Refusal> {
        let damaged =
            |error: wasmtime::Error| Refusal::Damaged { why: crate::words::escaped(&format!("{error:#}"), 1000) };
        let engine = engine::engine().map_err(damaged)?;
        let compiled = wasmtime::component::Component::new(&engine, component.bytes()).map_err(damaged)?;
        let (requests, inbox) = channel();
        let (answers, answered) = channel();
        let (outbox, reports) = channel();
        let line = Arc::new(ThreadLine { reports: outbox, answers: Mutex::new(answered) });
        let runner = Runner::new(&compiled, room, limits, Arc::clone(&line) as Arc<dyn Line>)?;
        engine::tick(&engine, || ());
        thread::spawn(move || {
            while let Ok(request) = inbox.recv() {
                let (outcome, usage) = runner.run(request);
                line.report(Report::Done(outcome, usage));
            }
        });
        Ok(Self { requests: Some(requests), answers, reports })
    }
}

impl Link for ThreadLink {
    fn call(&mut self, request: &Request) -> Result<(), Silence> {
        let requests = self.requests.as_ref().ok_or_else(gone)?;
        requests.send(request.clone()).map_err(|_| gone())
    }

    fn answer(&mut self, answer: &Answer) -> Result<(), Silence> {
        self.answers.send(answer.clone()).map_err(|_| gone())
    }

    fn report(&mut self, patience: Duration) -> Result<Report, Silence> {
        self.reports.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => Silence::Late,
            RecvTimeoutError::Disconnected => gone(),
        })
    }

    fn end(&mut self) {
        self.requests = None;
    }
}

fn gone() -> Silence {
    Silence::Gone("its thread ended".to_owned())
}
